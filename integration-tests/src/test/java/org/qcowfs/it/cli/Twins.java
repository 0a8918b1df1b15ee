package org.qcowfs.it.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/**
 * Two folders with the same files: qemu-img runs in one, ours in the other, with the same
 * arguments; then what they said and what they left is compared.
 */
final class Twins implements AutoCloseable {
  private static final Pattern VARIABLE = Pattern.compile("\"actual-size\": \\d+|\"offset\": \\d+");

  private final TempImages scratch;
  private final Path theirs;
  private final Path ours;

  /** What is done to make the files of one folder. */
  @FunctionalInterface
  interface Setup {
    void in(Path folder) throws IOException;
  }

  Twins(String name) {
    scratch = TempImages.create(name);
    theirs = scratch.makeFolder("theirs");
    ours = scratch.makeFolder("ours");
  }

  /** The folder qemu-img works in. */
  Path theirs() {
    return theirs;
  }

  /** The folder our program works in. */
  Path ours() {
    return ours;
  }

  /** Makes the same files in both. */
  void prepare(Setup setup) throws IOException {
    setup.in(theirs);
    setup.in(ours);
  }

  /** Runs both; output, message and exit code are the same. Returns our result. */
  Run.Result same(String... arguments) {
    Run.Result qemu = Cli.qemuImg(theirs, arguments);
    Run.Result own = Cli.asQemuImg(ours, arguments);
    String about = String.join(" ", arguments);
    assertThat(output(own)).as(about).isEqualTo(output(qemu));
    assertThat(message(own.err())).as(about).isEqualTo(message(qemu.err()));
    assertThat(own.exitCode()).as(about).isEqualTo(qemu.exitCode());
    return own;
  }

  /** How often progress is shown is a matter of taste. */
  private static String output(Run.Result result) {
    return result.out().replaceAll("\\s*\\([0-9.]+/100%\\)\\s*", "").strip();
  }

  /** QEMU breaks some messages into lines of which each has the program's name. */
  private static String message(String err) {
    return err.replace("qemu-img: ", "").replaceAll("\\s+", " ").strip();
  }

  /** Both left the same files, or neither. */
  void sameFiles() throws IOException {
    assertThat(names(ours)).isEqualTo(names(theirs));
  }

  private static List<String> names(Path folder) throws IOException {
    try (Stream<Path> list = Files.list(folder)) {
      return list.map(path -> path.getFileName().toString()).sorted().toList();
    }
  }

  /**
   * The image of that name is the same in both: guest bytes, size, {@code info}, {@code map} but
   * for where things are; and qemu-img finds ours without fault.
   */
  void sameImage(String name, String format) {
    sameContent(name, format);
    sameDescription(name, format);
  }

  /** The guest bytes of the image of that name are the same in both. */
  void sameContent(String name, String format) {
    Path own = ours.resolve(name);
    Path other = theirs.resolve(name);
    Run.ok(
        "qemu-img", "compare", "-s", "-f", format, "-F", format, own.toString(), other.toString());
  }

  /**
   * The image of that name has the same guest bytes and {@code info} in both, is sound, and takes
   * about as much space; where its data lies is not compared.
   */
  void alikeImage(String name, String format) {
    Path own = ours.resolve(name);
    Path other = theirs.resolve(name);
    Run.ok("qemu-img", "compare", "-f", format, "-F", format, own.toString(), other.toString());
    assertThat(said(ours, List.of("info", "--output=json"), format, name))
        .isEqualTo(said(theirs, List.of("info", "--output=json"), format, name));
    assertThat(blocks(own)).isBetween(blocks(other) * 9 / 10 - 256, blocks(other) * 11 / 10 + 256);
    if (format.equals("qcow2")) {
      Cli.qemuImg(ours, "check", "-f", "qcow2", name).orFail();
      Cli.qcowfs(ours, "check", "-f", "qcow2", name).orFail();
    }
  }

  private static long blocks(Path file) {
    return Long.parseLong(Run.ok("stat", "-c", "%b", file.toString()).out().strip());
  }

  /** {@code info}, and {@code map} but for where things are, are the same in both. */
  void sameDescription(String name, String format) {
    for (List<String> command :
        List.of(List.of("info", "--output=json"), List.of("map", "--output=json"))) {
      assertThat(said(ours, command, format, name))
          .as("%s of %s", command, name)
          .isEqualTo(said(theirs, command, format, name));
    }
    if (format.equals("qcow2")) {
      Cli.qemuImg(ours, "check", "-f", "qcow2", name).orFail();
      Cli.qcowfs(ours, "check", "-f", "qcow2", name).orFail();
    }
  }

  private static String said(Path folder, List<String> command, String format, String name) {
    String[] arguments =
        Stream.concat(command.stream(), Stream.of("-f", format, name)).toArray(String[]::new);
    return VARIABLE
        .matcher(Cli.qemuImg(folder, arguments).orFail().out())
        .replaceAll(found -> found.group().replaceAll("\\d+", "N"));
  }

  @Override
  public void close() {
    scratch.close();
  }
}
