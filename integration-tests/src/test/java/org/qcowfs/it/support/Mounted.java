package org.qcowfs.it.support;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A real mount of an image, served by a process of its own that the program's {@code mount} command
 * started, as the launcher starts it: detached, and telling through a pipe when the mount answers.
 */
public final class Mounted implements AutoCloseable {
  private final Path point;
  private final Process server;
  private final Path errors;
  private boolean mounted = true;

  private Mounted(Path point, Process server, Path errors) {
    this.point = point;
    this.server = server;
    this.errors = errors;
  }

  /**
   * Mounts {@code image} on {@code point}, an existing folder or regular file; returns when the
   * mount answers.
   *
   * @param options further arguments of {@code qcowfs mount}
   */
  public static Mounted mount(Path image, Path point, String... options) {
    return mountWithHeap("-Xmx128m", image, point, options);
  }

  /** As {@link #mount}, with a heap option for the serving JVM. */
  public static Mounted mountWithHeap(String heap, Path image, Path point, String... options) {
    Requires.fuse();
    List<String> arguments = new ArrayList<>(List.of("mount"));
    arguments.addAll(Arrays.asList(options));
    arguments.add(image.toString());
    arguments.add(point.toString());
    List<String> command =
        new ArrayList<>(List.of("sh", "-c", "exec 3>&1 1>/dev/null; exec \"$@\"", "sh"));
    List<String> java = CliRun.command(heap, arguments.toArray(String[]::new));
    command.add(java.get(0));
    command.add("-Dqcowfs.ready-fd=3");
    command.addAll(java.subList(1, java.size()));
    try {
      Path errors = Files.createTempFile("qcowfs-mount", ".err");
      Process server = new ProcessBuilder(command).redirectError(errors.toFile()).start();
      Mounted result = new Mounted(point, server, errors);
      String answer = server.inputReader(StandardCharsets.UTF_8).readLine();
      if (!"0".equals(answer)) {
        result.await();
        String said = Files.readString(errors);
        result.close();
        throw new AssertionError("could not mount " + image + ": " + said);
      }
      return result;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  public Path point() {
    return point;
  }

  /** The serving process. */
  public Process server() {
    return server;
  }

  /**
   * What the serving process has computed so far: on a machine that is slow to start programs, or
   * busy with others, the measure of what a mount costs.
   */
  public Duration cpuTime() {
    return server.info().totalCpuDuration().orElseThrow();
  }

  /** The flat disk. */
  public Path disk() {
    return Files.isRegularFile(point) ? point : point.resolve("disk.raw");
  }

  /** The flat disk at a snapshot. */
  public Path snapshot(String name) {
    return point.resolve("snapshots").resolve(name).resolve("disk.raw");
  }

  /** The flat disk as layer {@code depth} and those below show it; 0 is the top. */
  public Path layer(int depth) {
    try (var entries = Files.list(point.resolve("layers"))) {
      return entries
          .filter(p -> String.valueOf(p.getFileName()).startsWith(depth + "-"))
          .findFirst()
          .orElseThrow(() -> new AssertionError("no layer " + depth + " in " + point))
          .resolve("disk.raw");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Unmounts, waits for the serving process and fails unless it ends in time and with exit code 0.
   */
  public void unmount() {
    mounted = false;
    Run.Result result = Run.run(Run.PATIENCE, List.of("umount", point.toString()));
    if (result.exitCode() != 0) {
      Run.run(Run.PATIENCE, List.of("umount", "-l", point.toString()));
      server.destroy();
    }
    int exitCode = await();
    if (result.exitCode() != 0 || exitCode != 0 || isMountPoint(point)) {
      throw new AssertionError(
          "unmounting " + point + ": " + result + "the server's exit code: " + exitCode);
    }
  }

  private int await() {
    try {
      if (!server.waitFor(Run.PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
        server.destroyForcibly().waitFor();
        throw new AssertionError("the process that serves " + point + " does not end");
      }
      return server.exitValue();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted", e);
    }
  }

  /** Whether something is mounted on {@code point}. */
  public static boolean isMountPoint(Path point) {
    try {
      String wanted = " " + point.toAbsolutePath().normalize() + " ";
      return Files.readString(Path.of("/proc/self/mounts"))
          .lines()
          .anyMatch(line -> line.contains(wanted));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Unmounts if that has not been done yet. */
  @Override
  public void close() {
    try {
      if (mounted && isMountPoint(point)) {
        unmount();
      }
    } finally {
      server.destroyForcibly();
      errors.toFile().delete();
    }
  }
}
