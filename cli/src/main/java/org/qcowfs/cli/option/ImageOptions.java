package org.qcowfs.cli.option;

import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.engine.error.Escape;

/** {@code --image-opts} as far as it names a file: {@code key=value,...}, a comma doubled. */
final class ImageOptions {
  private ImageOptions() {}

  static ImageSource parse(String text, boolean forceShare) throws CommandException {
    String driver = null;
    String path = null;
    boolean share = forceShare;
    int at = 0;
    while (at < text.length()) {
      StringBuilder pair = new StringBuilder();
      at = pair(text, at, pair);
      int equals = pair.indexOf("=");
      if (equals < 0) {
        throw new CommandException("Expected '=' after parameter '" + Escape.text(pair + "'"));
      }
      String value = pair.substring(equals + 1);
      switch (pair.substring(0, equals)) {
        case "driver" -> driver = value;
        case "file.driver" -> expectFile(value);
        case "filename", "file.filename", "file.file.filename" -> path = value;
        case "read-only", "file.read-only", "file.locking", "auto-read-only", "cache.direct" -> {}
        // They tune what QEMU does at run time, and change no answer.
        case "cache-size",
            "l2-cache-size",
            "l2-cache-entry-size",
            "refcount-cache-size",
            "cache-clean-interval",
            "lazy-refcounts",
            "overlap-check" -> {}
        case "force-share" -> share |= value.equals("on");
        default ->
            throw new CommandException(
                "Option '" + Escape.text(pair.substring(0, equals)) + "' is not supported");
      }
    }
    if (path == null) {
      throw new CommandException("The image options name no file: file.filename is missing");
    }
    return new ImageSource(path, format(driver), share);
  }

  /** Appends the pair at {@code at} with its commas single; returns where the next begins. */
  static int pair(String text, int at, StringBuilder pair) {
    int i = at;
    for (; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == ',') {
        if (i + 1 == text.length() || text.charAt(i + 1) != ',') {
          return i + 1;
        }
        i++;
      }
      pair.append(c);
    }
    return i;
  }

  private static void expectFile(String driver) throws CommandException {
    if (!driver.equals("file") && !driver.equals("host_device")) {
      throw new CommandException("Driver '" + Escape.text(driver) + "' is not supported");
    }
  }

  /** The file driver alone shows the file as it is. */
  private static @Nullable String format(@Nullable String driver) {
    return "file".equals(driver) || "host_device".equals(driver) ? "raw" : driver;
  }
}
