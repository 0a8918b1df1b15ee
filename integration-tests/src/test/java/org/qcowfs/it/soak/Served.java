package org.qcowfs.it.soak;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.Run;

/** A mount made as users make it: by the launcher, in the background. */
final class Served {
  private static final Map<String, String> NATIVE_MEMORY_TRACKED =
      Map.of("QCOWFS_JAVA_OPTS", "-XX:NativeMemoryTracking=summary");

  private final Path point;
  private final long pid;

  private Served(Path point, long pid) {
    this.point = point;
    this.pid = pid;
  }

  /** Mounts {@code image} on {@code point}, a folder that is made if it is not there. */
  static Served mount(Path image, Path point, String... options) throws IOException {
    Files.createDirectories(point);
    Path pidFile = point.resolveSibling(point.getFileName() + ".pid");
    Path log = point.resolveSibling(point.getFileName() + ".log");
    // A cache of tables that is soon full: what the heap grows by later is a leak.
    List<String> command = new ArrayList<>(List.of(launcher(), "mount", "--l2-cache-size=1M"));
    command.addAll(List.of(options));
    command.addAll(List.of("--pid-file", pidFile.toString(), "--log-file", log.toString()));
    command.addAll(List.of(image.toString(), point.toString()));
    Run.run(Run.PATIENCE, command, Path.of("."), NATIVE_MEMORY_TRACKED, "").orFail();
    return new Served(point, Long.parseLong(Files.readString(pidFile).strip()));
  }

  static String launcher() {
    return CliRun.project().resolve("qcowfs").toString();
  }

  Path point() {
    return point;
  }

  Path disk() {
    return point.resolve("disk.raw");
  }

  long pid() {
    return pid;
  }

  /** Unmounts; returns when the process is gone. */
  Run.Result unmount() {
    return Run.run(Run.PATIENCE, List.of(launcher(), "umount", point.toString()));
  }

  /** Kills the process as a lack of memory would, and clears the mount point. */
  void kill() {
    Run.ok("kill", "-9", Long.toString(pid));
    Run.ok("umount", "-l", point.toString());
    ProcessHandle.of(pid).ifPresent(process -> process.onExit().join());
  }
}
