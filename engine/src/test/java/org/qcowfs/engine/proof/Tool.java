package org.qcowfs.engine.proof;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Runs {@code qemu-img} and {@code qemu-io}; without them the tests fail. */
final class Tool {
  private Tool() {}

  /**
   * A finished program.
   *
   * @param code its exit code
   * @param out all it printed
   */
  record Result(List<String> command, int code, String out) {
    Result ok() {
      if (code != 0) {
        throw new AssertionError(String.join(" ", command) + ": exit code " + code + "\n" + out);
      }
      return this;
    }
  }

  /** Runs a program whose output is short. */
  static Result run(String... command) {
    return run(Arrays.asList(command));
  }

  static Result run(List<String> command) {
    try {
      Process process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectInput(ProcessBuilder.Redirect.from(new java.io.File("/dev/null")))
              .start();
      String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      if (!process.waitFor(120, TimeUnit.SECONDS)) {
        process.destroyForcibly();
        throw new AssertionError("no end: " + command);
      }
      return new Result(command, process.exitValue(), out);
    } catch (IOException e) {
      throw new AssertionError("cannot run " + command.get(0) + ": is qemu-utils installed?", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError(e);
    }
  }

  /** {@code qemu-img check}: fails on corruptions, and on leaks unless they are allowed. */
  static void check(Path image, boolean leaksAllowed) {
    Result result = run("qemu-img", "check", "--output=json", "-f", "qcow2", image.toString());
    boolean fine = result.code == 0 || leaksAllowed && result.code == 3;
    if (!fine) {
      Result lines = run("qemu-img", "check", "-f", "qcow2", image.toString());
      throw new AssertionError("qemu-img check says " + result.code + "\n" + lines.out);
    }
  }

  private static final Pattern COUNT = Pattern.compile("\"(corruptions|leaks)\": (\\d+)");

  /** What {@code qemu-img check} counts: corruptions and leaks; both -1 if it cannot check. */
  static long[] counts(Path image) {
    Result result = run("qemu-img", "check", "--output=json", "-f", "qcow2", image.toString());
    if (result.code != 0 && result.code != 2 && result.code != 3) {
      return new long[] {-1, -1};
    }
    long[] counts = new long[2];
    Matcher matcher = COUNT.matcher(result.out);
    while (matcher.find()) {
      counts[matcher.group(1).equals("leaks") ? 1 : 0] = Long.parseLong(matcher.group(2));
    }
    return counts;
  }

  /** Runs {@code qemu-io} commands on an image. */
  static void io(Path image, List<String> commands) {
    List<String> line = new ArrayList<>(List.of("qemu-io", "-f", "qcow2"));
    for (String command : commands) {
      line.add("-c");
      line.add(command);
    }
    line.add(image.toString());
    run(line).ok();
  }
}
