package org.qcowfs.fuse.system;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The kernel's table of mounts as this process sees it. */
public final class MountTable {
  /** The file-system type of our mounts. */
  public static final String TYPE = "fuse.qcowfs";

  private static final Path SOURCE = Path.of("/proc/self/mountinfo");

  private MountTable() {}

  /**
   * One mount.
   *
   * @param device {@code major:minor}; no two mounts of ours share it
   * @param mountPoint absolute path
   * @param type file-system type
   * @param source what is mounted, for ours the image
   * @param options of the mount and of the file system, comma-separated
   */
  public record Entry(
      String device, String mountPoint, String type, String source, String options) {}

  /** All mounts, later ones covering earlier ones. */
  public static List<Entry> entries() {
    try {
      return parse(new String(Files.readAllBytes(SOURCE), StandardCharsets.UTF_8));
    } catch (IOException e) {
      return List.of();
    }
  }

  /** The mount that is visible at exactly {@code mountPoint}, or null. */
  public static @Nullable Entry at(Path mountPoint) {
    String wanted = mountPoint.toString();
    Entry found = null;
    for (Entry entry : entries()) {
      if (entry.mountPoint().equals(wanted)) {
        found = entry;
      }
    }
    return found;
  }

  /** Mounts of other file systems below {@code mountPoint}. */
  static List<Entry> below(Path mountPoint) {
    String prefix = mountPoint + "/";
    return entries().stream().filter(entry -> entry.mountPoint().startsWith(prefix)).toList();
  }

  static List<Entry> parse(String mountinfo) {
    List<Entry> entries = new ArrayList<>();
    for (String line : mountinfo.split("\n", -1)) {
      List<String> fields = Arrays.asList(line.split(" ", -1));
      // id parent major:minor root mount-point options [optional fields] - type source options
      int dash = fields.indexOf("-");
      if (dash >= 6 && fields.size() > dash + 3) {
        entries.add(
            new Entry(
                fields.get(2),
                unescape(fields.get(4)),
                fields.get(dash + 1),
                unescape(fields.get(dash + 2)),
                merge(fields.get(5), fields.get(dash + 3))));
      }
    }
    return entries;
  }

  private static String merge(String mountOptions, String superOptions) {
    List<String> options = new ArrayList<>(Arrays.asList(mountOptions.split(",")));
    for (String option : superOptions.split(",")) {
      if (!options.contains(option)) {
        options.add(option);
      }
    }
    return String.join(",", options);
  }

  /** Undoes the kernel's {@code \ooo} for space, tab, newline and backslash. */
  private static String unescape(String field) {
    if (field.indexOf('\\') < 0) {
      return field;
    }
    byte[] in = field.getBytes(StandardCharsets.UTF_8);
    ByteArrayOutputStream out = new ByteArrayOutputStream(in.length);
    for (int i = 0; i < in.length; i++) {
      if (in[i] == '\\' && i + 3 < in.length) {
        out.write(Integer.parseInt(new String(in, i + 1, 3, StandardCharsets.US_ASCII), 8));
        i += 3;
      } else {
        out.write(in[i]);
      }
    }
    return out.toString(StandardCharsets.UTF_8);
  }
}
