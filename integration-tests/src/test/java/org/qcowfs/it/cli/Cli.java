package org.qcowfs.it.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/** Runs the launcher, and the real qemu-img beside it. */
final class Cli {
  private static final Duration PATIENCE = Duration.ofMinutes(15);

  static {
    // Builds what is not built yet, so that no test's output has a word about it.
    run(launcher(), Path.of("."), "--version").orFail();
  }

  private Cli() {}

  /** The launcher's environment: the Java that runs this test. */
  static Map<String, String> environment() {
    return Map.of(
        "QCOWFS_JAVA", Path.of(System.getProperty("java.home"), "bin", "java").toString());
  }

  /** The launcher itself. */
  static Path launcher() {
    return CliRun.project().resolve("qcowfs");
  }

  /** Runs {@code qcowfs} in {@code folder}. */
  static Run.Result qcowfs(Path folder, String... arguments) {
    return run(launcher(), folder, arguments);
  }

  /** Runs {@code qcowfs} in {@code folder} through a symbolic link called {@code qemu-img}. */
  static Run.Result asQemuImg(Path folder, String... arguments) {
    Path link = TempImages.work().resolve("qemu-img");
    try {
      Files.createSymbolicLink(link, launcher());
    } catch (FileAlreadyExistsException e) {
      // An earlier test made it.
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return run(link, folder, arguments);
  }

  /** Runs the real qemu-img in {@code folder}. */
  static Run.Result qemuImg(Path folder, String... arguments) {
    return run(Path.of("qemu-img"), folder, arguments);
  }

  /** Runs {@code program} in {@code folder}. */
  static Run.Result run(Path program, Path folder, String... arguments) {
    List<String> command = new ArrayList<>();
    command.add(program.toString());
    command.addAll(Arrays.asList(arguments));
    return Run.run(PATIENCE, command, folder, environment(), "");
  }
}
