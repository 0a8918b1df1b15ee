package org.qcowfs.it.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.Run;

/** An image served as a flat file by one of the programs compared, until close. */
final class Peer implements AutoCloseable {
  private final Path file;
  private final long pid;
  private final Runnable stop;

  private Peer(Path file, long pid, Runnable stop) {
    this.file = file;
    this.pid = pid;
    this.stop = stop;
  }

  /** The flat file. */
  Path file() {
    return file;
  }

  /** This program, started as users start it, read-only. */
  static Peer qcowfs(Path image, String format, Path scratch) {
    return qcowfs(image, format, scratch, false);
  }

  /** This program, started as users start it. */
  static Peer qcowfs(Path image, String format, Path scratch, boolean writable) {
    Path point = emptyFile(scratch, "qcowfs");
    Path pidFile = scratch.resolve("qcowfs.pid");
    List<String> command = new ArrayList<>(List.of("mount", "--format", format));
    if (writable) {
      command.add("--rw");
    }
    command.addAll(List.of("--pid-file", pidFile.toString(), image.toString(), point.toString()));
    CliRun.launcher(command.toArray(String[]::new)).orFail();
    return new Peer(
        point, pid(pidFile), () -> CliRun.launcher("umount", point.toString()).orFail());
  }

  /** QEMU's FUSE export, read-only. */
  static Peer qemu(Path image, String format, Path scratch) {
    return qemu(image, format, scratch, false);
  }

  /** QEMU's FUSE export. Discards reach the image, as they do with this program. */
  static Peer qemu(Path image, String format, Path scratch, boolean writable) {
    Path point = emptyFile(scratch, "qemu");
    Path pidFile = scratch.resolve("qemu.pid");
    String reading = writable ? "off" : "on";
    Run.ok(
        "qemu-storage-daemon",
        "--blockdev",
        String.format(
            "driver=%s,node-name=disk,read-only=%s,discard=unmap,"
                + "file.driver=file,file.discard=unmap,file.filename=%s",
            format, reading, image),
        "--export",
        String.format(
            "type=fuse,id=export,node-name=disk,mountpoint=%s,writable=%s",
            point, writable ? "on" : "off"),
        "--pidfile",
        pidFile.toString(),
        "--daemonize");
    long pid = pid(pidFile);
    return new Peer(
        point,
        pid,
        () -> {
          ProcessHandle daemon = ProcessHandle.of(pid).orElseThrow();
          daemon.destroy();
          daemon.onExit().join();
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
        -1,
        () -> {
          Run.ok("umount", point.toString());
          if (Mounted.isMountPoint(point)) {
            throw new AssertionError(point + " is still mounted");
          }
        });
  }

  /** Bytes that the process has given to write calls so far. */
  long written() {
    try {
      for (String line : Files.readAllLines(Path.of("/proc/" + pid + "/io"))) {
        if (line.startsWith("wchar: ")) {
          return Long.parseLong(line.substring(7).strip());
        }
      }
      throw new AssertionError("no wchar in /proc/" + pid + "/io");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static long pid(Path pidFile) {
    try {
      return Long.parseLong(Files.readString(pidFile).strip());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
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
