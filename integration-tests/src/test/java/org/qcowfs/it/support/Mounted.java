package org.qcowfs.it.support;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** A real mount of an image, made and undone with the program's own commands. */
public final class Mounted implements AutoCloseable {
  private final Path point;
  private boolean mounted = true;

  private Mounted(Path point) {
    this.point = point;
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
    Run.Result result =
        Run.run(Duration.ofSeconds(60), CliRun.detached(heap, arguments.toArray(String[]::new)));
    if (result.exitCode() != 0) {
      detach(point);
      throw new AssertionError(result);
    }
    return new Mounted(point);
  }

  /** Takes over a mount that something else made. */
  public static Mounted adopt(Path point) {
    return new Mounted(point);
  }

  public Path point() {
    return point;
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
          .filter(p -> p.getFileName().toString().startsWith(depth + "-"))
          .findFirst()
          .orElseThrow(() -> new AssertionError("no layer " + depth + " in " + point))
          .resolve("disk.raw");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Unmounts with {@code qcowfs umount} and fails if that fails. */
  public void unmount() {
    mounted = false;
    Run.Result result = CliRun.run("umount", point.toString());
    if (result.exitCode() != 0 || isMountPoint(point)) {
      detach(point);
      throw new AssertionError(result);
    }
  }

  /** Whether something is mounted on {@code point}. */
  public static boolean isMountPoint(Path point) {
    try {
      String wanted = " " + point.toAbsolutePath().normalize() + " ";
      return Files.readString(Path.of("/proc/self/mounts"))
          .lines()
          .anyMatch(l -> l.contains(wanted));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void detach(Path point) {
    if (isMountPoint(point)) {
      Run.run(Run.PATIENCE, List.of("umount", "-l", point.toString()));
    }
  }

  /** Unmounts if that has not been done yet. */
  @Override
  public void close() {
    if (mounted) {
      unmount();
    }
  }
}
