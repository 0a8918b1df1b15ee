package org.qcowfs.engine.host;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.qcowfs.engine.error.Escape;

/** Which other processes have a file open, as far as the kernel lets this one see. */
final class FileHolders {
  private static final int MOST = 3;

  private FileHolders() {}

  /** Says who has {@code path} open, as "process 12 (qemu-io)", or "" if nobody can be seen. */
  static String describe(String path) {
    List<String> found = new ArrayList<>();
    long self = ProcessHandle.current().pid();
    try (DirectoryStream<Path> processes = Files.newDirectoryStream(Path.of("/proc"), "[0-9]*")) {
      Path real = Path.of(path).toRealPath();
      for (Path process : processes) {
        if (found.size() < MOST
            && Long.parseLong(process.getFileName().toString()) != self
            && hasOpen(process, real)) {
          String name = Files.readString(process.resolve("comm")).strip();
          found.add("process " + process.getFileName() + " (" + Escape.text(name) + ")");
        }
      }
    } catch (IOException | RuntimeException e) {
      // Who it is helps, but the refusal stands without it.
    }
    return String.join(", ", found);
  }

  private static boolean hasOpen(Path process, Path file) {
    try (DirectoryStream<Path> open = Files.newDirectoryStream(process.resolve("fd"))) {
      for (Path descriptor : open) {
        if (Files.readSymbolicLink(descriptor).equals(file)) {
          return true;
        }
      }
    } catch (IOException | RuntimeException e) {
      return false; // another user's process, or one that has just ended
    }
    return false;
  }
}
