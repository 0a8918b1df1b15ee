package org.qcowfs.it.support;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Runs one program to its end. */
public final class Run {
  /** Far above what any tool call here needs; a test that wants less says so. */
  public static final Duration PATIENCE = Duration.ofSeconds(120);

  private Run() {}

  /**
   * What a finished program left.
   *
   * @param command program and arguments
   * @param exitCode its exit code
   * @param out its standard output
   * @param err its standard error
   */
  public record Result(List<String> command, int exitCode, String out, String err) {
    /**
     * Returns this if the program succeeded.
     *
     * @throws AssertionError with the command and its stderr if it did not
     */
    public Result orFail() {
      if (exitCode != 0) {
        throw new AssertionError(this);
      }
      return this;
    }

    @Override
    public String toString() {
      return String.join(" ", command) + "\nexit code " + exitCode + "\n" + err + out;
    }
  }

  /** Runs {@code command} and fails unless it exits with 0. */
  public static Result ok(String... command) {
    return run(PATIENCE, List.of(command)).orFail();
  }

  /** Runs {@code command}; its standard input is empty. */
  public static Result run(Duration limit, List<String> command) {
    return run(limit, command, Path.of("."), Map.of(), "");
  }

  /**
   * Runs {@code command} with {@code input} as its standard input.
   *
   * <p>Output goes through files, not pipes: a program that leaves a child in the background does
   * not keep the caller waiting for the end of a pipe.
   *
   * @throws AssertionError if it takes longer than {@code limit}; it is killed then
   */
  public static Result run(
      Duration limit,
      List<String> command,
      Path folder,
      Map<String, String> environment,
      String input) {
    try {
      Path streams = Files.createTempDirectory("qcowfs-run");
      Path in = Files.writeString(streams.resolve("in"), input, StandardCharsets.UTF_8);
      Path out = streams.resolve("out");
      Path err = streams.resolve("err");
      try {
        ProcessBuilder builder =
            new ProcessBuilder(command)
                .directory(folder.toFile())
                .redirectInput(in.toFile())
                .redirectOutput(out.toFile())
                .redirectError(err.toFile());
        builder.environment().putAll(environment);
        Process process = builder.start();
        if (!process.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS)) {
          process.destroyForcibly().waitFor();
          throw new AssertionError(
              "no answer in " + limit + ": " + String.join(" ", command) + "\n" + text(err));
        }
        return new Result(command, process.exitValue(), text(out), text(err));
      } finally {
        Files.deleteIfExists(in);
        Files.deleteIfExists(out);
        Files.deleteIfExists(err);
        Files.delete(streams);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted while waiting for " + command, e);
    }
  }

  private static String text(Path file) throws IOException {
    return new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
  }
}
