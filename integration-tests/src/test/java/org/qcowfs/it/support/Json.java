package org.qcowfs.it.support;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** JSON as plain maps, lists, strings, numbers and booleans. */
public final class Json {
  private Json() {}

  /**
   * A JSON object.
   *
   * @param fields its members in order
   */
  public record JsonObject(Map<String, @Nullable Object> fields) {
    public boolean has(String name) {
      return fields.containsKey(name);
    }

    public long number(String name) {
      return ((Number) require(name)).longValue();
    }

    public boolean flag(String name) {
      return (Boolean) require(name);
    }

    public String text(String name) {
      return (String) require(name);
    }

    private Object require(String name) {
      Object value = fields.get(name);
      if (value == null) {
        throw new AssertionError("no '" + name + "' in " + fields);
      }
      return value;
    }
  }

  /** Parses {@code json}: a {@link JsonObject}, {@code List}, string, number, boolean or null. */
  public static @Nullable Object parse(String json) throws IOException {
    try (JsonParser parser = new JsonFactory().createParser(json)) {
      parser.nextToken();
      Object value = value(parser);
      if (parser.nextToken() != null) {
        throw new IOException("more than one JSON value");
      }
      return value;
    }
  }

  /** Parses a JSON array of objects. */
  public static List<JsonObject> objects(String json) throws IOException {
    List<JsonObject> objects = new ArrayList<>();
    if (parse(json) instanceof List<?> list) {
      for (Object element : list) {
        objects.add((JsonObject) element);
      }
      return objects;
    }
    throw new IOException("not a JSON array");
  }

  private static @Nullable Object value(JsonParser parser) throws IOException {
    JsonToken token = parser.currentToken();
    if (token == null) {
      throw new IOException("no JSON value");
    }
    return switch (token) {
      case START_OBJECT -> {
        Map<String, @Nullable Object> fields = new LinkedHashMap<>();
        while (parser.nextToken() != JsonToken.END_OBJECT) {
          String name = parser.currentName();
          parser.nextToken();
          fields.put(name, value(parser));
        }
        yield new JsonObject(fields);
      }
      case START_ARRAY -> {
        List<@Nullable Object> elements = new ArrayList<>();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
          elements.add(value(parser));
        }
        yield elements;
      }
      case VALUE_STRING -> parser.getText();
      case VALUE_NUMBER_INT -> parser.getLongValue();
      case VALUE_NUMBER_FLOAT -> parser.getDoubleValue();
      case VALUE_TRUE -> true;
      case VALUE_FALSE -> false;
      default -> null;
    };
  }
}
