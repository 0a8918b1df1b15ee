package org.qcowfs.it.support;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** {@code qemu-img}, the oracle: each method fails with its stderr if it does not exit with 0. */
public final class QemuImg {
  private QemuImg() {}

  /**
   * One object of {@code qemu-img map --output=json}.
   *
   * @param start guest offset in bytes
   * @param length bytes
   * @param depth the answering layer, 0 for the top
   * @param zero whether it reads as zeroes
   * @param data whether a layer stores it
   * @param offset host offset in bytes, or -1
   */
  public record MapEntry(
      long start, long length, int depth, boolean zero, boolean data, long offset) {}

  /** Runs {@code qemu-img} with {@code arguments}. */
  public static Run.Result run(String... arguments) {
    List<String> command = new ArrayList<>();
    command.add("qemu-img");
    command.addAll(Arrays.asList(arguments));
    return Run.run(Run.PATIENCE, command).orFail();
  }

  /**
   * Creates a qcow2 image.
   *
   * @param size virtual size in bytes
   * @param options {@code key=value} each, as for {@code -o}
   */
  public static void create(Path image, long size, String... options) {
    List<String> arguments = new ArrayList<>(List.of("create", "-q", "-f", "qcow2"));
    addOptions(arguments, options);
    arguments.add(image.toString());
    arguments.add(Long.toString(size));
    run(arguments.toArray(String[]::new));
  }

  /** Creates a qcow2 overlay of the backing file's size; {@code backing} is recorded as given. */
  public static void createOverlay(
      Path image, String backing, String backingFormat, String... options) {
    List<String> arguments = overlay(backing, backingFormat, options);
    arguments.add(image.toString());
    run(arguments.toArray(String[]::new));
  }

  /** Creates a qcow2 overlay of {@code size} bytes; {@code backing} is recorded as given. */
  public static void createOverlay(
      Path image, String backing, String backingFormat, long size, String... options) {
    List<String> arguments = overlay(backing, backingFormat, options);
    arguments.add(image.toString());
    arguments.add(Long.toString(size));
    run(arguments.toArray(String[]::new));
  }

  private static List<String> overlay(String backing, String backingFormat, String... options) {
    List<String> arguments =
        new ArrayList<>(List.of("create", "-q", "-f", "qcow2", "-b", backing, "-F", backingFormat));
    addOptions(arguments, options);
    return arguments;
  }

  private static void addOptions(List<String> arguments, String... options) {
    if (options.length > 0) {
      arguments.add("-o");
      arguments.add(String.join(",", options));
    }
  }

  /** Takes an internal snapshot. */
  public static void snapshot(Path image, String name) {
    run("snapshot", "-c", name, image.toString());
  }

  public static void resize(Path image, long size) {
    run("resize", "-q", "-f", "qcow2", "--shrink", image.toString(), Long.toString(size));
  }

  /** Writes what a guest sees of {@code image} into a raw file. */
  public static void toRaw(Path image, String format, Path raw) {
    run("convert", "-f", format, "-O", "raw", image.toString(), raw.toString());
  }

  /** Writes {@code length} bytes of what a guest sees of a qcow2 image into a raw file. */
  public static void windowToRaw(Path image, long offset, long length, Path raw) {
    String window =
        String.format(
            "driver=raw,offset=%d,size=%d,file.driver=qcow2,file.file.filename=%s",
            offset, length, image);
    run("convert", "--image-opts", window, "-O", "raw", raw.toString());
  }

  /** Writes what a guest saw of a qcow2 image at a snapshot into a raw file. */
  public static void snapshotToRaw(Path image, String name, Path raw) {
    run(
        "convert",
        "-f",
        "qcow2",
        "-l",
        "snapshot.name=" + name,
        "-O",
        "raw",
        image.toString(),
        raw.toString());
  }

  /** {@code map --output=json}. */
  public static List<MapEntry> map(Path image, String format) {
    return parseMap(run("map", "--output=json", "-f", format, image.toString()).out());
  }

  /** Parses the JSON of {@code map}. */
  public static List<MapEntry> parseMap(String json) {
    try {
      return Json.objects(json).stream()
          .map(
              o ->
                  new MapEntry(
                      o.number("start"),
                      o.number("length"),
                      (int) o.number("depth"),
                      o.flag("zero"),
                      o.flag("data"),
                      o.has("offset") ? o.number("offset") : -1))
          .toList();
    } catch (IOException e) {
      throw new AssertionError("not a map: " + json, e);
    }
  }

  /** {@code info --output=json} as it stands. */
  public static String info(Path image) {
    return run("info", "--output=json", image.toString()).out();
  }
}
