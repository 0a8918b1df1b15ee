package org.qcowfs.it.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.Run;

/** An image served as a flat file by one of the programs compared, until close. */
final class Peer implements AutoCloseable {
  private final Path file;
  private final Runnable stop;

  private Peer(Path file, Runnable stop) {
    this.file = file;
    this.stop = stop;
  }

  /** The flat file. */
  Path file() {
    return file;
  }

  /** This program, started as users start it. */
  static Peer qcowfs(Path image, String format, Path scratch) {
    Path point = emptyFile(scratch, "qcowfs");
    CliRun.launcher("mount", "--format", format, image.toString(), point.toString()).orFail();
    return new Peer(point, () -> CliRun.launcher("umount", point.toString()).orFail());
  }

  /** QEMU's FUSE export. */
  static Peer qemu(Path image, String format, Path scratch) {
    Path point = emptyFile(scratch, "qemu");
    Path pidFile = scratch.resolve("qemu.pid");
    Run.ok(
        "qemu-storage-daemon",
        "--blockdev",
        "driver=" + format + ",node-name=disk,read-only=on,file.driver=file,file.filename=" + image,
        "--export",
        "type=fuse,id=export,node-name=disk,mountpoint=" + point + ",writable=off",
        "--pidfile",
        pidFile.toString(),
        "--daemonize");
    return new Peer(
        point,
        () -> {
          try {
            long pid = Long.parseLong(Files.readString(pidFile).strip());
            ProcessHandle daemon = ProcessHandle.of(pid).orElseThrow();
            daemon.destroy();
            daemon.onExit().join();
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          }
        });
  }

  /**
   * libfuse's own example of a pass-through file system in C.
   *
   * @param program the example, built
   */
  static Peer passthrough(Path program, Path raw, Path scratch) {
    Path point = scratch.resolve("passthrough");
    try {
      Files.createDirectories(point);
      Run.run(
              Duration.ofSeconds(10),
              List.of(program.toString(), "-o", "source=" + raw.getParent(), point.toString()),
              scratch,
              Map.of(),
              "")
          .orFail();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return new Peer(
        point.resolve(raw.getFileName()),
        () -> {
          Run.ok("umount", point.toString());
          if (Mounted.isMountPoint(point)) {
            throw new AssertionError(point + " is still mounted");
          }
        });
  }

  private static Path emptyFile(Path folder, String name) {
    try {
      Path file = folder.resolve(name + ".raw");
      Files.deleteIfExists(file);
      return Files.createFile(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void close() {
    stop.run();
  }
}
