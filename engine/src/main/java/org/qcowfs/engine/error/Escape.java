package org.qcowfs.engine.error;

/** Makes text that came from an image or a file name safe for one line of a terminal or a log. */
public final class Escape {
  private Escape() {}

  /**
   * Returns {@code text} with control characters (C0, C1, DEL), Unicode format and bidirectional
   * controls, line separators and lone surrogates written as <code>&#92;xNN</code> or <code>
   * &#92;u{NNNN}</code>.
   */
  public static String text(String text) {
    int i = 0;
    while (i < text.length() && isPlain(text.charAt(i))) {
      i++;
    }
    if (i == text.length()) {
      return text;
    }
    StringBuilder out = new StringBuilder(text.length() + 16).append(text, 0, i);
    text.substring(i)
        .codePoints()
        .forEach(
            c -> {
              if (c < 0x80 ? c >= 0x20 && c != 0x7f : isPrintable(c)) {
                out.appendCodePoint(c);
              } else if (c < 0x100) {
                out.append(String.format("\\x%02x", c));
              } else {
                out.append(String.format("\\u{%x}", c));
              }
            });
    return out.toString();
  }

  private static boolean isPlain(char c) {
    return c >= 0x20 && c < 0x7f;
  }

  private static boolean isPrintable(int codePoint) {
    return switch (Character.getType(codePoint)) {
      case Character.CONTROL,
          Character.FORMAT,
          Character.SURROGATE,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR,
          Character.UNASSIGNED ->
          false;
      default -> true;
    };
  }
}
