package org.qcowfs.engine.json;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import org.junit.jupiter.api.Test;

class JsonWriterTest {
  private final StringBuilder out = new StringBuilder();
  private final JsonWriter json = new JsonWriter(out);

  @Test
  void indentsAsQemuDoes() throws IOException {
    json.beginArray(null).beginObject(null).number("n", -1).bool("b", true).beginArray("empty");
    json.endArray().endObject().string(null, "x").endArray();
    assertThat(out)
        .hasToString(
            """
            [
                {
                    "n": -1,
                    "b": true,
                    "empty": [
                    ]
                },
                "x"
            ]
            """);
  }

  @Test
  void escapesAllButPrintableAscii() throws IOException {
    json.beginArray(null).string(null, "\"\\/\b\f\n\r\t\u0001\u007fé\ud83d\ude00~").endArray();
    assertThat(out)
        .hasToString(
            "[\n    \"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u007F\\u00E9\\uD83D\\uDE00~\"\n]\n");
  }
}
