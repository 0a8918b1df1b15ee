package org.qcowfs.fuse.session;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** What {@code /proc} says of threads; where it says nothing, the answer that does no harm. */
final class ProcFile {
  /** HUP, INT, QUIT, TERM, and KILL, which the kernel adds for every signal that will kill. */
  private static final long ENDING = bit(1) | bit(2) | bit(3) | bit(15) | bit(9);

  private ProcFile() {}

  private static long bit(int signal) {
    return 1L << signal - 1;
  }

  /** The number of the calling thread; 0 if unknown. */
  static int ownThread() {
    try {
      Path name = Files.readSymbolicLink(Path.of("/proc/thread-self")).getFileName();
      return Integer.parseInt(String.valueOf(name));
    } catch (IOException | RuntimeException e) {
      return 0;
    }
  }

  /** Whether a thread of this process waits for something, and does not compute. */
  static boolean isWaiting(int thread) {
    String stat = read("/proc/self/task/" + thread + "/stat");
    int state = stat.lastIndexOf(')') + 2;
    return state >= stat.length() || stat.charAt(state) != 'R';
  }

  /**
   * Whether a signal waits for a thread that asks its program to end.
   *
   * @param thread 0 for one in another process namespace, of which nothing is known: true
   */
  static boolean isAskedToEnd(int thread) {
    long signals = 0;
    boolean known = false;
    for (String line : read("/proc/" + thread + "/status").split("\n")) {
      if (line.startsWith("SigPnd:") || line.startsWith("ShdPnd:")) {
        signals |= Long.parseUnsignedLong(line.substring(7).strip(), 16);
        known = true;
      }
    }
    return !known || (signals & ENDING) != 0;
  }

  private static String read(String path) {
    try {
      return new String(Files.readAllBytes(Path.of(path)), StandardCharsets.ISO_8859_1);
    } catch (IOException e) {
      return "";
    }
  }
}
