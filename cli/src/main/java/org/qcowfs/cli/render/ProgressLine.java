package org.qcowfs.cli.render;

import java.io.PrintStream;
import java.util.Locale;
import sun.misc.Signal;
import sun.misc.SignalHandler;

/**
 * How far a long command is, on one line that is written over: always, or when SIGUSR1 arrives.
 *
 * <p><b>Thread safety:</b> {@link #at} is for one thread.
 */
public final class ProgressLine implements AutoCloseable {
  private static final Signal REQUEST = new Signal("USR1");

  private final boolean always;
  private final PrintStream out;
  private final SignalHandler before;
  private volatile double percent;
  private int shown = -1;

  private ProgressLine(boolean always, PrintStream out) {
    this.always = always;
    this.out = out;
    this.before = Signal.handle(REQUEST, signal -> show());
  }

  /** Begins at 0 percent. */
  public static ProgressLine start(boolean always, PrintStream out) {
    return new ProgressLine(always, out);
  }

  /** {@code done} of {@code total} steps are done. */
  public void at(long done, long total) {
    double now = done * 100.0 / total;
    percent = now;
    if (always && (int) now != shown) {
      shown = (int) now;
      show();
    }
  }

  private void show() {
    out.printf(Locale.ROOT, "    (%.2f/100%%)\r", percent);
    out.flush();
  }

  @Override
  public void close() {
    Signal.handle(REQUEST, before);
    if (always) {
      out.println();
    }
  }
}
