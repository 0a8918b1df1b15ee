package org.qcowfs.fuse.system;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * What the kernel tells of a process (proc(5), {@code /proc/PID/stat}).
 *
 * @param state one letter
 * @param threads those that have not ended; the first one counts until its parent has asked for it
 * @param startTicks when it started, in clock ticks since the boot: unlike a time of day that is
 *     the same whoever asks, also after the clock was set
 */
record ProcessStat(char state, long threads, long startTicks) {
  /** Where the fields are, counted from the one behind the name, which is the state. */
  private static final int THREADS = 17;

  private static final int START = 19;

  /** Process {@code pid}; null if there is none. */
  static @Nullable ProcessStat of(long pid) {
    try {
      // ISO 8859-1: the name may be any bytes.
      return parse(
          Files.readString(
              Path.of("/proc", Long.toString(pid), "stat"), StandardCharsets.ISO_8859_1));
    } catch (IOException e) {
      return null;
    }
  }

  /** Reads {@code pid (name) state ...}; the name may hold blanks and parentheses. */
  static ProcessStat parse(String line) {
    String[] fields = line.substring(line.lastIndexOf(')') + 2).split(" ", START + 2);
    return new ProcessStat(
        fields[0].charAt(0), Long.parseLong(fields[THREADS]), Long.parseLong(fields[START]));
  }

  /**
   * Whether nothing of it is left but its exit code. A first thread that has ended is a zombie too
   * while others go on, with all the process's files open.
   */
  boolean hasEnded() {
    return (state == 'Z' || state == 'X') && threads <= 1;
  }
}
