package org.qcowfs.cli.option;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import org.qcowfs.cli.program.CommandException;

/** A JSON object as the option list that it stands for: {@code {"file":{"filename":"a"}}}. */
final class JsonOptions {
  private JsonOptions() {}

  /**
   * Parses an object; strings may be in single quotes, as in QEMU.
   *
   * @return its values by their dotted names, {@code file.filename}, in order
   */
  static Map<String, String> flat(String json) throws CommandException {
    Map<String, String> values = new LinkedHashMap<>();
    JsonFactory factory = JsonFactory.builder().enable(JsonReadFeature.ALLOW_SINGLE_QUOTES).build();
    try (JsonParser parser = factory.createParser(json)) {
      if (parser.nextToken() != JsonToken.START_OBJECT) {
        throw new CommandException("Invalid JSON object given");
      }
      while (parser.nextToken() != null) {
        if (parser.currentToken().isScalarValue()) {
          values.put(name(parser), parser.getText());
        }
      }
      return values;
    } catch (IOException e) {
      throw new CommandException("Could not parse the JSON options", e);
    }
  }

  /** {@code /file/filename} as {@code file.filename}. */
  private static String name(JsonParser parser) {
    return parser.getParsingContext().pathAsPointer().toString().substring(1).replace('/', '.');
  }
}
