package org.qcowfs.it.support;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * A script of changes to one image, carried out by one {@code qemu-io} process. Offsets and lengths
 * are guest bytes.
 */
public final class QemuIo {
  private final Path image;
  private final String format;
  private final List<String> script = new ArrayList<>();

  private QemuIo(Path image, String format) {
    this.image = image;
    this.format = format;
  }

  /** Begins a script for a qcow2 image. */
  public static QemuIo on(Path image) {
    return on(image, "qcow2");
  }

  /** Begins a script for an image of {@code format}. */
  public static QemuIo on(Path image, String format) {
    return new QemuIo(image, format);
  }

  /** Writes {@code length} bytes of {@code pattern}. */
  public QemuIo write(int pattern, long offset, long length) {
    return command("write -q -P " + (pattern & 0xff) + " " + offset + " " + length);
  }

  /** Writes the bytes of {@code source}, repeated as often as needed. */
  public QemuIo writeFrom(Path source, long offset, long length) {
    return command("write -q -s " + source + " " + offset + " " + length);
  }

  /** Writes one compressed cluster of {@code pattern}. */
  public QemuIo writeCompressed(int pattern, long offset, long length) {
    return command("write -q -c -P " + (pattern & 0xff) + " " + offset + " " + length);
  }

  /** Writes one compressed cluster of the bytes of {@code source}. */
  public QemuIo writeCompressedFrom(Path source, long offset, long length) {
    return command("write -q -c -s " + source + " " + offset + " " + length);
  }

  /** Makes a range zero, keeping host clusters. */
  public QemuIo zero(long offset, long length) {
    return command("write -q -z " + offset + " " + length);
  }

  /** Makes a range zero, giving host clusters back where possible. */
  public QemuIo zeroUnmap(long offset, long length) {
    return command("write -q -z -u " + offset + " " + length);
  }

  public QemuIo discard(long offset, long length) {
    return command("discard -q " + offset + " " + length);
  }

  public QemuIo flush() {
    return command("flush");
  }

  /** Adds a command in qemu-io's own words. */
  public QemuIo command(String line) {
    script.add(line);
    return this;
  }

  public List<String> script() {
    return List.copyOf(script);
  }

  /**
   * Carries the script out.
   *
   * @throws AssertionError if qemu-io fails or says anything: its commands are quiet on success
   */
  public void run() {
    Run.Result result =
        Run.run(
            Run.PATIENCE,
            List.of("qemu-io", "-d", "unmap", "-f", format, image.toString()),
            Path.of("."),
            Map.of(),
            String.join("\n", script) + "\n");
    String said = result.out().replace("qemu-io> ", "").strip();
    if (result.exitCode() != 0 || !said.isEmpty()) {
      throw new AssertionError(
          result
              + "\nscript:\n"
              + String.join("\n", script.subList(0, Math.min(50, script.size()))));
    }
  }
}
