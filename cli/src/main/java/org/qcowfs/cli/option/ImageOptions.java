package org.qcowfs.cli.option;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.engine.error.Escape;

/**
 * The ways to name an image on the command line other than by its path, as far as they name a file:
 * {@code --image-opts key=value,...} (a comma doubled), {@code json:{...}} and {@code file:PATH}.
 *
 * <p>Only what a user types comes here. The same words in an image's header are refused: see {@code
 * BackingPath}.
 */
final class ImageOptions {
  private static final String JSON = "json:";
  private static final String FILE = "file:";

  private ImageOptions() {}

  /** The file that an operand without {@code --image-opts} names. */
  static ImageSource operand(String text, @Nullable String format, boolean forceShare)
      throws CommandException {
    if (text.startsWith(JSON)) {
      try {
        ImageSource source = of(JsonOptions.flat(text.substring(JSON.length())), forceShare);
        if (format != null && source.format() != null && !format.equals(source.format())) {
          throw new CommandException("Driver specified twice");
        }
        return format == null
            ? source
            : new ImageSource(source.path(), format, source.forceShare(), source.locking());
      } catch (CommandException e) {
        throw couldNotOpen(text, e);
      }
    }
    return new ImageSource(plainPath(text), format, forceShare, true);
  }

  /** A path without {@code file:}; what would then look like a protocol is told apart by a dot. */
  static String plainPath(String text) {
    if (!text.startsWith(FILE)) {
      return text;
    }
    String path = text.substring(FILE.length());
    int colon = path.indexOf(':');
    int slash = path.indexOf('/');
    return colon >= 0 && (slash < 0 || colon < slash) ? "./" + path : path;
  }

  /** The file that an operand of {@code --image-opts} names. */
  static ImageSource parse(String text, boolean forceShare) throws CommandException {
    Map<String, String> options = new LinkedHashMap<>();
    int at = 0;
    try {
      while (at < text.length()) {
        StringBuilder pair = new StringBuilder();
        at = pair(text, at, pair);
        int equals = pair.indexOf("=");
        if (equals < 0) {
          String name = Escape.text(pair.toString());
          throw new CommandException(
              "Cannot find device='" + name + "' nor node-name='" + name + "'");
        }
        options.put(pair.substring(0, equals), pair.substring(equals + 1));
      }
      return of(options, forceShare);
    } catch (CommandException e) {
      throw couldNotOpen(text, e);
    }
  }

  private static CommandException couldNotOpen(String text, CommandException e) {
    return new CommandException("Could not open '" + Escape.text(text) + "': " + e.getMessage(), e);
  }

  private static ImageSource of(Map<String, String> options, boolean forceShare)
      throws CommandException {
    String driver = null;
    String path = null;
    boolean share = forceShare;
    boolean locking = true;
    for (Map.Entry<String, String> option : options.entrySet()) {
      String value = option.getValue();
      switch (option.getKey()) {
        case "driver" -> driver = value;
        case "file.driver" -> expectFile(value);
        case "filename", "file.filename", "file.file.filename" -> path = value;
        // They tune what QEMU does at run time, and change no answer.
        case "read-only",
            "auto-read-only",
            "node-name",
            "discard",
            "detect-zeroes",
            "cache.direct",
            "cache.no-flush",
            "file.read-only",
            "file.auto-read-only",
            "file.node-name",
            "file.aio",
            "file.discard",
            "file.cache.direct",
            "file.cache.no-flush",
            "cache-size",
            "l2-cache-size",
            "l2-cache-entry-size",
            "refcount-cache-size",
            "cache-clean-interval",
            "lazy-refcounts",
            "overlap-check" -> {}
        case "file.locking" -> locking = !value.equals("off");
        case "force-share", "file.force-share" ->
            share |= value.equals("on") || value.equals("true");
        default ->
            throw new CommandException(
                "Option '" + Escape.text(option.getKey()) + "' is not supported");
      }
    }
    if (path == null) {
      throw new CommandException("A block device must be specified for \"file\"");
    }
    return new ImageSource(path, format(driver), share || !locking, locking);
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
