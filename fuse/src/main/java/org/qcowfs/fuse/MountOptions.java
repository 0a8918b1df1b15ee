package org.qcowfs.fuse;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.fuse.tree.WritePolicy;

/**
 * How to mount.
 *
 * @param mountPoint an empty folder, or an empty regular file for the flat disk alone
 * @param source what the mount table shows as mounted
 * @param writing how to write; the mount is read-only if it is null
 * @param extra options of mount(8) and libfuse, each a word or {@code name=value}
 */
public record MountOptions(
    Path mountPoint, String source, @Nullable WritePolicy writing, List<String> extra) {
  /** A day: what a read-only mount shows does not change. */
  private static final int TIMEOUT_SECONDS = 86_400;

  /** How long the kernel may take a written disk's time stamps and blocks for true. */
  private static final int CHANGING_SECONDS = 1;

  public MountOptions {
    extra = List.copyOf(extra);
  }

  /** Whether an option is among {@link #extra}, with or without a value. */
  boolean has(String name) {
    return extra.stream().anyMatch(o -> o.equals(name) || o.startsWith(name + "="));
  }

  /** libfuse's {@code -o} argument: our defaults, each unless the user set it, then the user's. */
  String argument() {
    List<String> options = new ArrayList<>(List.of("use_ino"));
    // With permissions the kernel checks them: allow_other must not let everybody write.
    options.add(writing == null ? "ro" : "default_permissions");
    addDefault(options, "fsname", escape(source));
    addDefault(options, "subtype", "qcowfs");
    addDefault(
        options,
        "attr_timeout",
        Integer.toString(writing == null ? TIMEOUT_SECONDS : CHANGING_SECONDS));
    for (String timeout : List.of("entry_timeout", "negative_timeout")) {
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
