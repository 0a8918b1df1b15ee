package org.qcowfs.cli.option;

import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.model.CreateOptions;
import org.qcowfs.engine.model.Preallocation;

/**
 * An image that is to be made: where, in which format, and what {@code -o} says of it.
 *
 * @param path the file
 * @param format {@code qcow2} or {@code raw}
 * @param options its {@code -o} options, checked for unknown names
 */
public record NewImage(String path, String format, KeyValues options) {
  private static final List<String> QCOW2_KEYS =
      List.of(
          "backing_file",
          "backing_fmt",
          "cluster_size",
          "compat",
          "compression_type",
          "data_file",
          "data_file_raw",
          "extended_l2",
          "extent_size_hint",
          "lazy_refcounts",
          "nocow",
          "preallocation",
          "refcount_bits",
          "size");
  private static final List<String> RAW_KEYS =
      List.of("extent_size_hint", "nocow", "preallocation", "size");
  private static final String QCOW2_HELP =
      """
        backing_file=<str>     - File name of a base image
        backing_fmt=<str>      - Image format of the base image
        cluster_size=<size>    - qcow2 cluster size
        compat=<str>           - Compatibility level (v2 [0.10] or v3 [1.1])
        compression_type=<str> - Compression method used for image cluster compression
        data_file=<str>        - File name of an external data file
        data_file_raw=<bool (on/off)> - The external data file must stay valid as a raw image
        extended_l2=<bool (on/off)> - Extended L2 tables
        extent_size_hint=<size> - Extent size hint for the image file, 0 to disable
        lazy_refcounts=<bool (on/off)> - Postpone refcount updates
        nocow=<bool (on/off)>  - Turn off copy-on-write (valid only on btrfs)
        preallocation=<str>    - Preallocation mode (allowed values: off, metadata, falloc, full)
        refcount_bits=<num>    - Width of a reference count entry in bits
        size=<size>            - Virtual disk size
      """;
  private static final String RAW_HELP =
      """
        extent_size_hint=<size> - Extent size hint for the image file, 0 to disable
        nocow=<bool (on/off)>  - Turn off copy-on-write (valid only on btrfs)
        preallocation=<str>    - Preallocation mode (allowed values: off, falloc, full)
        size=<size>            - Virtual disk size
      """;

  /**
   * Judges format and names of the options.
   *
   * @throws CommandException with qemu-img's words
   */
  public static NewImage of(String path, String format, KeyValues options) throws CommandException {
    checkFormat(path, format);
    options.allowOnly(format.equals("raw") ? RAW_KEYS : QCOW2_KEYS, path);
    return new NewImage(path, format, options);
  }

  /** The same image at another path. */
  public NewImage at(String otherPath) {
    return new NewImage(otherPath, format, options);
  }

  /** Refuses an unknown format. */
  public static void checkFormat(String path, String format) throws CommandException {
    if (!format.equals("raw") && !format.equals("qcow2")) {
      throw new CommandException(
          (path.isEmpty() ? "" : Escape.text(path) + ": ")
              + "Unknown file format '"
              + Escape.text(format)
              + "'"
              + "; expected qcow2 or raw");
    }
  }

  /** What {@code -o help} shows; {@code withFile} if a file is named too. */
  public static String help(String format, boolean withFile) {
    boolean raw = format.equals("raw");
    String options = raw ? RAW_HELP : QCOW2_HELP;
    return withFile
        ? "Supported options:\n" + options
        : "Supported "
            + format
            + " options:\n"
            + options
                .lines()
                .filter(line -> !aboutTheFile(line.strip(), raw))
                .map(line -> line + "\n")
                .collect(Collectors.joining())
            + "\nThe protocol level may support further options.\n"
            + "Specify the target filename to include those options.\n";
  }

  /** Whether an option is the file's rather than the format's. */
  private static boolean aboutTheFile(String option, boolean raw) {
    return option.startsWith("extent_size_hint=")
        || option.startsWith("nocow=")
        || raw && option.startsWith("preallocation=");
  }

  public boolean isRaw() {
    return format.equals("raw");
  }

  /**
   * The line that {@code create} prints before it does something.
   *
   * @param driver what the user called the format
   */
  public String announcement(String driver, long size) throws CommandException {
    StringBuilder line = new StringBuilder("Formatting '").append(Escape.text(path));
    line.append("', fmt=").append(driver);
    if (isRaw()) {
      line.append(" size=").append(size);
      appendNocow(line);
      append(line, "preallocation", null);
      appendHint(line);
      return line.toString();
    }
    line.append(" cluster_size=").append(options.size("cluster_size", 1 << 16, path));
    line.append(" extended_l2=").append(options.flag("extended_l2", path) ? "on" : "off");
    append(line, "preallocation", null);
    append(line, "compression_type", "zlib");
    line.append(" size=").append(size);
    append(line, "compat", null);
    append(line, "backing_file", null);
    append(line, "backing_fmt", null);
    append(line, "data_file", null);
    if (options.has("data_file_raw")) {
      line.append(" data_file_raw=").append(options.flag("data_file_raw", path) ? "on" : "off");
    }
    line.append(" lazy_refcounts=").append(options.flag("lazy_refcounts", path) ? "on" : "off");
    line.append(" refcount_bits=").append(options.number("refcount_bits", 16, path));
    appendNocow(line);
    appendHint(line);
    return line.toString();
  }

  // Both are hints to a file system, and not taken up here.

  private void appendNocow(StringBuilder line) throws CommandException {
    if (options.has("nocow")) {
      line.append(" nocow=").append(options.flag("nocow", path) ? "on" : "off");
    }
  }

  private void appendHint(StringBuilder line) throws CommandException {
    if (options.has("extent_size_hint")) {
      line.append(" extent_size_hint=").append(options.size("extent_size_hint", 0, path));
    }
  }

  private void append(StringBuilder line, String key, @Nullable String otherwise) {
    String value = options.text(key);
    String shown = value == null ? otherwise : Escape.text(value.replace(",", ",,"));
    if (shown != null) {
      line.append(' ').append(key).append('=').append(shown);
    }
  }

  /** What a qcow2 image of {@code size} bytes is to be. */
  public CreateOptions qcow2(long size) throws CommandException {
    long bits = options.number("refcount_bits", 16, path);
    return CreateOptions.ofSize(size)
        .withVersion(version())
        .withClusterSize(options.size("cluster_size", 1 << 16, path))
        .withExtendedL2(options.flag("extended_l2", path))
        .withPreallocation(preallocation())
        .withZstd(zstd())
        .withLazyRefcounts(options.flag("lazy_refcounts", path))
        .withRefcountBits(bits < 0 || bits > 64 ? 0 : (int) bits)
        .withDataFile(options.text("data_file"))
        .withDataFileRaw(options.flag("data_file_raw", path))
        .withBacking(options.text("backing_file"), options.text("backing_fmt"));
  }

  private int version() throws CommandException {
    String compat = options.text("compat");
    return switch (compat == null ? "v3" : compat) {
      case "0.10", "v2" -> 2;
      case "1.1", "v3" -> 3;
      default -> throw unacceptable("version", compat);
    };
  }

  private boolean zstd() throws CommandException {
    String type = options.text("compression_type");
    return switch (type == null ? "zlib" : type) {
      case "zlib" -> false;
      case "zstd" -> true;
      default -> throw unacceptable("compression-type", type);
    };
  }

  /** How much is to be allocated at once. */
  public Preallocation preallocation() throws CommandException {
    String mode = options.text("preallocation");
    return switch (mode == null ? "off" : mode) {
      case "off" -> Preallocation.OFF;
      case "metadata" -> Preallocation.METADATA;
      case "falloc" -> Preallocation.FALLOC;
      case "full" -> Preallocation.FULL;
      default ->
          throw isRaw()
              ? new CommandException(
                  Escape.text(path) + ": invalid parameter value: " + Escape.text("" + mode))
              : unacceptable("preallocation", mode);
    };
  }

  private CommandException unacceptable(String parameter, @Nullable String value) {
    if (path.isEmpty()) { // an image that is only measured
      return new CommandException(
          parameter.equals("version")
              ? "Invalid compatibility level: '" + Escape.text("" + value) + "'"
              : "invalid parameter value: " + Escape.text("" + value));
    }
    return new CommandException(
        Escape.text(path)
            + ": Parameter '"
            + parameter
            + "' does not accept value '"
            + Escape.text("" + value)
            + "'");
  }

  /**
   * Makes the image in the place of what is there.
   *
   * @param size guest bytes, rounded up to whole sectors
   * @throws CommandException {@code FILE: reason}; nothing is left behind then
   */
  public void create(long size) throws CommandException {
    try {
      make(size);
    } catch (ImageException e) {
      throw new CommandException(Escape.text(path) + ": " + e.detail(), e);
    }
  }

  /** As {@link #create}, with the fault as the engine has it. */
  public void make(long size) throws CommandException, ImageException {
    long rounded = size > Long.MAX_VALUE - 511 ? size : size + 511 & ~511L;
    if (isRaw()) {
      Images.replaceRaw(path, rounded, preallocation());
    } else {
      Images.replace(path, qcow2(rounded));
    }
  }
}
