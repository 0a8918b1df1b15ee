package org.qcowfs.engine.json;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/**
 * Writes one JSON document the way QEMU prints it: four spaces per level, one member per line, all
 * but printable ASCII escaped.
 *
 * <p>Members of an object take a name, elements of an array {@code null} in its place.
 *
 * <p><b>Thread safety:</b> one thread at a time.
 */
public final class JsonWriter {
  private final Appendable out;
  private int depth;
  private boolean first = true;

  public JsonWriter(Appendable out) {
    this.out = out;
  }

  public JsonWriter beginObject(@Nullable String name) throws IOException {
    return begin(name, '{');
  }

  public JsonWriter endObject() throws IOException {
    return end('}');
  }

  public JsonWriter beginArray(@Nullable String name) throws IOException {
    return begin(name, '[');
  }

  public JsonWriter endArray() throws IOException {
    return end(']');
  }

  public JsonWriter string(@Nullable String name, String value) throws IOException {
    next(name);
    quote(value);
    return this;
  }

  public JsonWriter number(@Nullable String name, long value) throws IOException {
    next(name);
    out.append(Long.toString(value));
    return this;
  }

  public JsonWriter bool(@Nullable String name, boolean value) throws IOException {
    next(name);
    out.append(value ? "true" : "false");
    return this;
  }

  private JsonWriter begin(@Nullable String name, char bracket) throws IOException {
    next(name);
    out.append(bracket);
    depth++;
    first = true;
    return this;
  }

  private JsonWriter end(char bracket) throws IOException {
    depth--;
    newLine();
    out.append(bracket);
    first = false;
    if (depth == 0) {
      out.append('\n');
    }
    return this;
  }

  private void next(@Nullable String name) throws IOException {
    if (!first) {
      out.append(',');
    }
    if (depth > 0) {
      newLine();
    }
    first = false;
    if (name != null) {
      quote(name);
      out.append(": ");
    }
  }

  private void newLine() throws IOException {
    out.append('\n');
    for (int i = 0; i < depth; i++) {
      out.append("    ");
    }
  }

  private void quote(String text) throws IOException {
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '"' -> out.append("\\\"");
        case '\\' -> out.append("\\\\");
        case '\b' -> out.append("\\b");
        case '\f' -> out.append("\\f");
        case '\n' -> out.append("\\n");
        case '\r' -> out.append("\\r");
        case '\t' -> out.append("\\t");
        default -> {
          if (c >= 0x20 && c < 0x7f) {
            out.append(c);
          } else {
            out.append("\\u");
            for (int shift = 12; shift >= 0; shift -= 4) {
              out.append("0123456789ABCDEF".charAt(c >> shift & 15));
            }
          }
        }
      }
    }
    out.append('"');
  }
}
