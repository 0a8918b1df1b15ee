package org.qcowfs.cli.render;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import org.qcowfs.engine.error.Escape;

/** The tables of {@code stats}, from the text of {@code stats.json}. */
public final class StatsText {
  private static final int NAME = 10;
  private static final int COLUMN = 11;

  private final Appendable out;

  private StatsText(Appendable out) {
    this.out = out;
  }

  /** Writes what {@code json} says. */
  public static void write(String json, Appendable out) throws IOException {
    try (JsonParser parser = new JsonFactory().createParser(json)) {
      new StatsText(out).document(parser);
    }
  }

  private void document(JsonParser parser) throws IOException {
    parser.nextToken();
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String name = parser.currentName();
      JsonToken value = parser.nextToken();
      if (value == JsonToken.START_ARRAY && name.equals("requests")) {
        row("requests", "count", "data", "failures", "p50", "p90", "p99", "p99.9", "max");
        while (parser.nextToken() == JsonToken.START_OBJECT) {
          request(members(parser));
        }
      } else if (value == JsonToken.START_ARRAY) {
        out.append("\nlayers         reads       data\n");
        while (parser.nextToken() == JsonToken.START_OBJECT) {
          layer(members(parser));
        }
      } else if (value == JsonToken.START_OBJECT) {
        line(name, members(parser));
      } else if (name.equals("uptime-ns")) {
        out.append("mounted for ").append(time(parser.getText())).append("\n\n");
      }
    }
  }

  /** The members of an object whose start was read, up to its end; each a string or a number. */
  private static Map<String, String> members(JsonParser parser) throws IOException {
    Map<String, String> members = new LinkedHashMap<>();
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String name = parser.currentName();
      parser.nextToken();
      members.put(name, parser.getText());
    }
    return members;
  }

  private void request(Map<String, String> request) throws IOException {
    row(
        request.getOrDefault("operation", ""),
        request.getOrDefault("count", ""),
        size(request),
        request.getOrDefault("failures", ""),
        time(request.getOrDefault("p50-ns", "")),
        time(request.getOrDefault("p90-ns", "")),
        time(request.getOrDefault("p99-ns", "")),
        time(request.getOrDefault("p99.9-ns", "")),
        time(request.getOrDefault("max-ns", "")));
  }

  private void layer(Map<String, String> layer) throws IOException {
    String reads = layer.getOrDefault("reads", "");
    pad(20 - reads.length());
    out.append(reads);
    pad(COLUMN - size(layer).length());
    out.append(size(layer)).append("  ");
    out.append(Escape.text(layer.getOrDefault("filename", ""))).append('\n');
  }

  private void line(String name, Map<String, String> members) throws IOException {
    out.append('\n').append(name).append(':');
    String separator = " ";
    for (Map.Entry<String, String> member : members.entrySet()) {
      out.append(separator).append(member.getKey()).append(' ').append(member.getValue());
      separator = ", ";
    }
    out.append('\n');
  }

  private void row(String name, String... columns) throws IOException {
    out.append(name);
    pad(NAME - name.length());
    for (String column : columns) {
      pad(COLUMN - column.length());
      out.append(column);
    }
    out.append('\n');
  }

  private void pad(int count) throws IOException {
    for (int i = 0; i < count; i++) {
      out.append(' ');
    }
  }

  private static String size(Map<String, String> of) {
    return HumanSize.of(Long.parseLong(of.getOrDefault("bytes", "0")));
  }

  /** A time in the unit that leaves one to four digits: {@code 812 ns}, {@code 14 us}. */
  private static String time(String nanos) {
    if (nanos.isEmpty()) {
      return "-";
    }
    long value = Long.parseLong(nanos);
    for (String unit : new String[] {" ns", " us", " ms"}) {
      if (value < 10_000) {
        return value + unit;
      }
      value = (value + 500) / 1000;
    }
    return value + " s";
  }
}
