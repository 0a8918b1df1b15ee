package org.qcowfs.engine.fuzz;

import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.Escape;

/** What may be shown to a user. */
final class Text {
  private Text() {}

  /** Fails unless {@code line} is one line that no terminal obeys. */
  static void harmless(@Nullable String line) {
    if (line != null && !Escape.text(line).equals(line)) {
      throw new IllegalStateException("unescaped: " + Escape.text(line));
    }
  }
}
