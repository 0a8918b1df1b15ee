package org.qcowfs.fuse;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * How to mount.
 *
 * @param mountPoint an empty folder, or an empty regular file for the flat disk alone
 * @param source what the mount table shows as mounted
 * @param extra options of mount(8) and libfuse, each a word or {@code name=value}
 */
public record MountOptions(Path mountPoint, String source, List<String> extra) {
  /** A day: what a read-only mount shows does not change. */
  private static final int TIMEOUT_SECONDS = 86_400;

  public MountOptions {
    extra = List.copyOf(extra);
  }

  /** Whether an option is among {@link #extra}, with or without a value. */
  boolean has(String name) {
    return extra.stream().anyMatch(o -> o.equals(name) || o.startsWith(name + "="));
  }

  /** libfuse's {@code -o} argument: our defaults, each unless the user set it, then the user's. */
  String argument() {
    List<String> options = new ArrayList<>(List.of("ro", "use_ino"));
    addDefault(options, "fsname", escape(source));
    addDefault(options, "subtype", "qcowfs");
    for (String timeout : List.of("attr_timeout", "entry_timeout", "negative_timeout")) {
      addDefault(options, timeout, Integer.toString(TIMEOUT_SECONDS));
    }
    options.addAll(extra);
    return String.join(",", options);
  }

  private void addDefault(List<String> options, String name, String value) {
    if (!has(name)) {
      options.add(name + "=" + value);
    }
  }

  /** libfuse splits at commas, and takes a backslash for a quote. */
  private static String escape(String value) {
    return value.replace("\\", "\\\\").replace(",", "\\,");
  }
}
