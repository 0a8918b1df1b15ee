package org.qcowfs.it.fuzz;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.UsageException;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.fuse.MountException;

/**
 * What is held against the program in one case, and what it is doing now.
 *
 * <p><b>Thread safety:</b> one thread works; {@link #step()} and {@link #since()} are for who
 * watches it.
 */
final class Verdict {
  private static final int SHOWN_FRAMES = 12;

  private final List<String> faults = new ArrayList<>();
  private volatile String step = "";
  private volatile long since = System.nanoTime();

  /** Something that may fail in the program's own ways. */
  @FunctionalInterface
  interface Attempt {
    void run() throws Exception;
  }

  /** What is being done. */
  String step() {
    return step;
  }

  /** Since when, by {@link System#nanoTime()}. */
  long since() {
    return since;
  }

  List<String> faults() {
    return faults;
  }

  void fault(String text) {
    faults.add(step + ": " + text);
  }

  /**
   * Does something.
   *
   * @return whether it was done; if not, the program said why in one harmless line, or a fault is
   *     noted
   */
  boolean attempt(String name, Attempt attempt) {
    step = name;
    since = System.nanoTime();
    try {
      attempt.run();
      return true;
    } catch (ImageException | CommandException | UsageException | MountException e) {
      harmless(String.valueOf(e.getMessage()), false);
    } catch (Throwable e) {
      StackTraceElement[] trace = e.getStackTrace();
      fault(
          e
              + "\n      at "
              + Arrays.asList(trace).subList(0, Math.min(SHOWN_FRAMES, trace.length)));
    }
    return false;
  }

  /** Notes a character that a terminal would obey, or hide. */
  void harmless(String text, boolean mayHaveLines) {
    String found = offending(text, mayHaveLines);
    if (found != null) {
      fault("unescaped " + found + " in: " + text.replaceAll("\\p{C}", "?"));
    }
  }

  private static @Nullable String offending(String text, boolean mayHaveLines) {
    for (int i = 0; i < text.length(); ) {
      int c = text.codePointAt(i);
      i += Character.charCount(c);
      if (c == '\n' && mayHaveLines) {
        continue;
      }
      switch (Character.getType(c)) {
        case Character.CONTROL,
            Character.FORMAT,
            Character.SURROGATE,
            Character.LINE_SEPARATOR,
            Character.PARAGRAPH_SEPARATOR -> {
          return String.format("U+%04X", c);
        }
        default -> {}
      }
    }
    return null;
  }

  /** Notes what is not plain ASCII text. */
  void ascii(byte[] document) {
    for (byte b : document) {
      if (b != '\n' && (b < 0x20 || b > 0x7e)) {
        fault(String.format("byte 0x%02x in a document", b));
        return;
      }
    }
    harmless(new String(document, StandardCharsets.US_ASCII), true);
  }
}
