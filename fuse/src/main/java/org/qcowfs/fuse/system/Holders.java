package org.qcowfs.fuse.system;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.qcowfs.engine.error.Escape;

/** Who keeps a mount busy: processes, loop devices, mounts on top. */
public final class Holders {
  private static final Path PROC = Path.of("/proc");
  private static final Path BLOCK = Path.of("/sys/block");

  private final String mountPoint;
  private final List<String> found = new ArrayList<>();

  private Holders(Path mountPoint) {
    this.mountPoint = mountPoint.toString();
  }

  /** One short phrase per holder that this user may see, safe to print. */
  public static List<String> of(Path mountPoint) {
    Holders holders = new Holders(mountPoint);
    holders.scanProcesses();
    holders.scanLoopDevices();
    for (MountTable.Entry entry : MountTable.below(mountPoint)) {
      holders.found.add("a mount on " + Escape.text(entry.mountPoint()));
    }
    return holders.found;
  }

  private void scanProcesses() {
    try (DirectoryStream<Path> processes = Files.newDirectoryStream(PROC, "[0-9]*")) {
      String self = Long.toString(ProcessHandle.current().pid());
      for (Path process : processes) {
        String pid = String.valueOf(process.getFileName());
        String used = pid.equals(self) ? "" : usedBy(process);
        if (!used.isEmpty()) {
          found.add(name(process) + " (pid " + pid + ": " + Escape.text(used) + ")");
        }
      }
    } catch (IOException e) {
      // No /proc: nobody to name.
    }
  }

  private String usedBy(Path process) {
    for (String link : List.of("cwd", "root", "exe")) {
      String target = target(process.resolve(link));
      if (isBelow(target)) {
        return target;
      }
    }
    try (DirectoryStream<Path> files = Files.newDirectoryStream(process.resolve("fd"))) {
      for (Path file : files) {
        String target = target(file);
        if (isBelow(target)) {
          return target;
        }
      }
    } catch (IOException e) {
      // Ended meanwhile, or another user's.
    }
    try {
      String maps = new String(Files.readAllBytes(process.resolve("maps")), StandardCharsets.UTF_8);
      for (String line : maps.split("\n", -1)) {
        int path = line.indexOf('/');
        if (path >= 0 && isBelow(line.substring(path))) {
          return line.substring(path);
        }
      }
    } catch (IOException e) {
      // As above.
    }
    return "";
  }

  private void scanLoopDevices() {
    try (DirectoryStream<Path> devices = Files.newDirectoryStream(BLOCK, "loop*")) {
      for (Path device : devices) {
        Path backing = device.resolve("loop/backing_file");
        if (Files.exists(backing) && isBelow(Files.readString(backing).strip())) {
          found.add("/dev/" + device.getFileName());
        }
      }
    } catch (IOException e) {
      // No loop devices.
    }
  }

  private static String name(Path process) {
    try {
      return Escape.text(Files.readString(process.resolve("comm")).strip());
    } catch (IOException e) {
      return "a process";
    }
  }

  private static String target(Path link) {
    try {
      return Files.readSymbolicLink(link).toString();
    } catch (IOException e) {
      return "";
    }
  }

  private boolean isBelow(String path) {
    return path.equals(mountPoint) || path.startsWith(mountPoint + "/");
  }
}
