package org.qcowfs.cli.command.change;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.option.ByteSize;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.engine.change.Amend;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.model.ImageInfo;

/** What {@code amend -o} takes: {@code key=value,...}, a comma in a value doubled. */
record AmendOptions(Map<String, String> values, boolean help) {
  /** What {@code -o help} prints. */
  static final String HELP =
      """
      Amend options for 'qcow2':
        backing_file=<str>     - File name of a base image
        backing_fmt=<str>      - Image format of the base image
        compat=<str>           - Compatibility level (v2 [0.10] or v3 [1.1])
        data_file=<str>        - File name of an external data file
        data_file_raw=<bool (on/off)> - The external data file must stay valid as a raw image
        encrypt.iter-time=<num> - Time to spend in PBKDF in milliseconds
        encrypt.keyslot=<num>  - Select a single keyslot to modify explicitly
        encrypt.new-secret=<str> - New secret to set in the matching keyslots. Empty string to erase
        encrypt.old-secret=<str> - Select all keyslots that match this password
        encrypt.state=<str>    - Select new state of affected keyslots (active/inactive)
        lazy_refcounts=<bool (on/off)> - Postpone refcount updates
        refcount_bits=<num>    - Width of a reference count entry in bits
        size=<size>            - Virtual disk size
      """;

  private static final List<String> CREATE_ONLY =
      List.of(
          "cluster_size",
          "preallocation",
          "compression_type",
          "extended_l2",
          "encryption",
          "encrypt.format",
          "encrypt.key-secret",
          "encrypt.cipher-alg",
          "encrypt.cipher-mode",
          "encrypt.ivgen-alg",
          "encrypt.ivgen-hash-alg",
          "encrypt.hash-alg");

  private static final List<String> KNOWN =
      List.of(
          "backing_file",
          "backing_fmt",
          "compat",
          "data_file",
          "data_file_raw",
          "lazy_refcounts",
          "refcount_bits",
          "size");

  static AmendOptions split(String text) {
    Map<String, String> values = new LinkedHashMap<>();
    boolean help = false;
    for (String pair : pairs(text)) {
      int equals = pair.indexOf('=');
      if (pair.equals("help") || pair.equals("?")) {
        help = true;
      } else if (equals < 0) {
        boolean off = pair.startsWith("no") && KNOWN.contains(pair.substring(2));
        values.put(off ? pair.substring(2) : pair, off ? "off" : "on");
      } else {
        values.put(pair.substring(0, equals), pair.substring(equals + 1));
      }
    }
    return new AmendOptions(values, help);
  }

  private static List<String> pairs(String text) {
    List<String> pairs = new ArrayList<>();
    StringBuilder pair = new StringBuilder();
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c != ',') {
        pair.append(c);
      } else if (i + 1 < text.length() && text.charAt(i + 1) == ',') {
        pair.append(c);
        i++;
      } else {
        pairs.add(pair.toString());
        pair.setLength(0);
      }
    }
    if (pair.length() > 0) {
      pairs.add(pair.toString());
    }
    return pairs;
  }

  /**
   * What the options ask for.
   *
   * @param now the image as it is
   * @throws CommandException in qemu-img's words
   */
  Amend.Request request(ImageInfo now) throws CommandException {
    for (String key : values.keySet()) {
      if (CREATE_ONLY.contains(key)) {
        throw new CommandException(
            "Invalid parameter '"
                + Escape.text(key)
                + "'\nThis option is only supported for image creation");
      }
      if (key.startsWith("encrypt.")) {
        throw new CommandException("Changing encryption keys is not supported");
      }
      if (!KNOWN.contains(key)) {
        throw new CommandException("Invalid parameter '" + Escape.text(key) + "'");
      }
    }
    String backing = values.get("backing_file");
    String format = values.get("backing_fmt");
    if (backing != null && !backing.equals(now.backingName())
        || format != null && !format.equals(now.backingFormat())) {
      throw new CommandException(
          "Cannot amend the backing file\nYou can use 'qemu-img rebase' instead.");
    }
    return new Amend.Request(
        version(values.get("compat")),
        number("refcount_bits"),
        bool("lazy_refcounts"),
        values.get("data_file"),
        bool("data_file_raw"),
        size());
  }

  private static @Nullable Integer version(@Nullable String compat) throws CommandException {
    if (compat == null) {
      return null;
    }
    return switch (compat) {
      case "0.10", "v2" -> 2;
      case "1.1", "v3" -> 3;
      default -> throw new CommandException("Unknown compatibility level " + Escape.text(compat));
    };
  }

  private @Nullable Integer number(String key) throws CommandException {
    String text = values.get(key);
    if (text == null) {
      return null;
    }
    if (!text.matches("[0-9]{1,9}")) {
      throw new CommandException("Parameter '" + key + "' expects a number");
    }
    return Integer.parseInt(text);
  }

  private @Nullable Boolean bool(String key) throws CommandException {
    String text = values.get(key);
    if (text == null) {
      return null;
    }
    return switch (text) {
      case "on", "yes", "true", "y" -> true;
      case "off", "no", "false", "n" -> false;
      default -> throw new CommandException("Parameter '" + key + "' expects 'on' or 'off'");
    };
  }

  private @Nullable Long size() throws CommandException {
    String text = values.get("size");
    if (text == null) {
      return null;
    }
    long size = ByteSize.parse(text);
    if (size < 0) {
      throw SizeMessage.notASize("size");
    }
    return size;
  }
}
