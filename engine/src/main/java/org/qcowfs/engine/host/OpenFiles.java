package org.qcowfs.engine.host;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/**
 * Which files this process has open itself, by any name. Locks do not always tell: a source that is
 * read with {@code -U} forbids nothing, and some file systems have none.
 */
public final class OpenFiles {
  private static final int LOOP_MAJOR = 7;

  private OpenFiles() {}

  /**
   * How many descriptors of this process are open on the bytes at {@code path}: on the file itself,
   * or on a loop device above it or below it; 0 where the host does not tell.
   */
  public static int count(String path) {
    int found = 0;
    try (DirectoryStream<Path> descriptors = Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
      Object wanted = storage(Path.of(path));
      for (Path descriptor : descriptors) {
        found += isOf(descriptor, wanted) ? 1 : 0;
      }
    } catch (IOException | RuntimeException e) {
      return 0; // no /proc, or nothing there
    }
    return found;
  }

  private static boolean isOf(Path descriptor, Object wanted) {
    try {
      return storage(descriptor).equals(wanted);
    } catch (IOException | RuntimeException e) {
      return false; // closed meanwhile
    }
  }

  /** Device and inode, or a device's number; of a loop device those of the file it shows. */
  private static Object storage(Path path) throws IOException {
    Map<String, Object> file = Files.readAttributes(path, "unix:dev,ino,rdev,mode");
    if ((number(file, "mode") & 0170000) != 0060000) {
      return file.get("dev") + ":" + file.get("ino");
    }
    long device = number(file, "rdev");
    if ((device >> 8 & 0xfff) == LOOP_MAJOR) {
      long minor = device & 0xff | device >> 12 & 0xfff00;
      Path shown = Path.of("/sys/dev/block/" + LOOP_MAJOR + ":" + minor + "/loop/backing_file");
      if (Files.isReadable(shown)) {
        Path below = Path.of(Files.readString(shown).strip());
        if (Files.exists(below)) {
          return storage(below);
        }
      }
    }
    return "device " + device;
  }

  private static long number(Map<String, Object> file, String name) {
    return file.get(name) instanceof Number value ? value.longValue() : 0;
  }
}
