package org.qcowfs.fuse.tree;

import java.nio.charset.StandardCharsets;
import java.util.Set;

/** Turns text found in an image into a file name. */
public final class SafeName {
  private static final int MAX_BYTES = 255;
  private static final int MAX_ID_BYTES = 100;

  private SafeName() {}

  /**
   * A file name for {@code text}: slashes, control and other unprintable characters become
   * underscores; at most 255 bytes of UTF-8; never empty, {@code .} or {@code ..}.
   */
  public static String of(String text) {
    return cut(clean(text), MAX_BYTES);
  }

  /**
   * As {@link #of}, and different from every name in {@code taken}: where it is not, {@code id} is
   * appended, then a number.
   */
  public static String unique(String text, String id, Set<String> taken) {
    String name = of(text);
    String suffix = "." + cut(clean(id), MAX_ID_BYTES);
    if (taken.contains(name)) {
      name = withSuffix(text, suffix);
    }
    // Counting from their number finds a free one at once, however many are alike.
    for (int i = taken.size(); taken.contains(name); i++) {
      name = withSuffix(text, suffix + "." + i);
    }
    return name;
  }

  private static String withSuffix(String text, String suffix) {
    return cut(clean(text), MAX_BYTES - bytes(suffix)) + suffix;
  }

  private static String clean(String text) {
    StringBuilder out = new StringBuilder(text.length());
    text.codePoints().forEach(c -> out.appendCodePoint(isAllowed(c) ? c : '_'));
    String name = out.toString();
    return switch (name) {
      case "" -> "_";
      case "." -> "_";
      case ".." -> "__";
      default -> name;
    };
  }

  private static boolean isAllowed(int codePoint) {
    if (codePoint == '/') {
      return false;
    }
    return switch (Character.getType(codePoint)) {
      case Character.CONTROL,
          Character.FORMAT,
          Character.SURROGATE,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR ->
          false;
      default -> true;
    };
  }

  /** The longest beginning of {@code name} of at most {@code maxBytes}, whole characters only. */
  private static String cut(String name, int maxBytes) {
    int end = 0;
    int used = 0;
    while (end < name.length()) {
      int c = name.codePointAt(end);
      int width = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
      if (used + width > maxBytes) {
        break;
      }
      used += width;
      end += Character.charCount(c);
    }
    return name.substring(0, end);
  }

  private static int bytes(String name) {
    return name.getBytes(StandardCharsets.UTF_8).length;
  }
}
