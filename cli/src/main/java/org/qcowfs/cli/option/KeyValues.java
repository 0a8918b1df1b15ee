package org.qcowfs.cli.option;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.engine.error.Escape;

/**
 * The {@code -o key=value,...} of one command line, in order; the last of several values wins.
 *
 * <p>A comma in a value is doubled; {@code key} alone means {@code key=on} and {@code nokey} means
 * {@code key=off}, as in QEMU's option lists.
 */
public final class KeyValues {
  private static final String SIZE_HINT =
      "\nOptional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-"
          + "\nand exabytes, respectively.";

  private final Map<String, String> values = new LinkedHashMap<>();
  private boolean help;

  private KeyValues() {}

  /**
   * Parses the lists.
   *
   * @throws CommandException for a list that begins or ends with a comma
   */
  public static KeyValues parse(List<String> lists) throws CommandException {
    KeyValues parsed = new KeyValues();
    for (String list : lists) {
      if (list.isEmpty() || list.startsWith(",") || endsInSingleComma(list)) {
        throw new CommandException("Invalid option list: " + Escape.text(list));
      }
      for (int at = 0; at < list.length(); ) {
        StringBuilder pair = new StringBuilder();
        at = ImageOptions.pair(list, at, pair);
        parsed.add(pair.toString());
      }
    }
    return parsed;
  }

  private static boolean endsInSingleComma(String list) {
    int commas = 0;
    while (commas < list.length() && list.charAt(list.length() - 1 - commas) == ',') {
      commas++;
    }
    return commas % 2 == 1;
  }

  private void add(String pair) {
    int equals = pair.indexOf('=');
    if (equals >= 0) {
      values.put(pair.substring(0, equals), pair.substring(equals + 1));
    } else if (pair.equals("help") || pair.equals("?")) {
      help = true;
    } else if (pair.startsWith("no") && pair.length() > 2) {
      values.put(pair.substring(2), "off");
    } else {
      values.put(pair, "on");
    }
  }

  /** Whether {@code help} or {@code ?} is among them. */
  public boolean wantsHelp() {
    return help;
  }

  /**
   * Makes sure that there is no key but these.
   *
   * @param path names the image in the message
   */
  public void allowOnly(List<String> keys, String path) throws CommandException {
    for (String key : values.keySet()) {
      if (!keys.contains(key)) {
        throw fault(path, "Invalid parameter '" + Escape.text(key) + "'");
      }
    }
  }

  public boolean has(String key) {
    return values.containsKey(key);
  }

  /** The value as it was typed, or null. */
  public @Nullable String text(String key) {
    return values.get(key);
  }

  /** Adds a value that another option gave; it wins over one that is there. */
  public void put(String key, String value) {
    values.put(key, value);
  }

  /** {@code on} or {@code off}. */
  public boolean flag(String key, String path) throws CommandException {
    String value = values.get(key);
    if (value == null || value.equals("off")) {
      return false;
    }
    if (value.equals("on")) {
      return true;
    }
    throw fault(path, "Parameter '" + key + "' expects 'on' or 'off'");
  }

  /** A size in bytes, or {@code otherwise}. */
  public long size(String key, long otherwise, String path) throws CommandException {
    String value = values.get(key);
    if (value == null) {
      return otherwise;
    }
    long bytes = ByteSize.parse(value);
    if (bytes == ByteSize.NOT_A_SIZE) {
      throw fault(
          path, "Parameter '" + key + "' expects a non-negative number below 2^64" + SIZE_HINT);
    }
    if (bytes == ByteSize.TOO_LARGE) {
      throw fault(
          path, "Value '" + Escape.text(value) + "' is too large for parameter '" + key + "'");
    }
    return bytes;
  }

  /** A whole number, or {@code otherwise}. */
  public long number(String key, long otherwise, String path) throws CommandException {
    String value = values.get(key);
    if (value == null) {
      return otherwise;
    }
    try {
      return Long.decode(value);
    } catch (NumberFormatException e) {
      throw fault(path, "Parameter '" + key + "' expects a number");
    }
  }

  private static CommandException fault(String path, String message) {
    return new CommandException((path.isEmpty() ? "" : Escape.text(path) + ": ") + message);
  }
}
