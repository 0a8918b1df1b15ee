package org.qcowfs.cli.render;

import java.io.IOException;
import java.io.PrintStream;
import java.io.Writer;
import java.util.Locale;
import org.qcowfs.engine.change.Progress;
import sun.misc.Signal;

/** {@code -p}: how far a command has come, drawn over itself as qemu-img does. */
public final class ProgressLine implements Progress, AutoCloseable {
  /** A step smaller than this, in percent, is not drawn. */
  private static final double STEP = 1;

  private final Writer out;
  private final boolean shown;
  private double last = -STEP;
  private volatile double percent;

  /**
   * @param shown whether anything is drawn
   */
  public ProgressLine(Writer out, boolean shown) {
    this.out = out;
    this.shown = shown;
  }

  /** Also tells it whenever SIGUSR1 arrives: as qemu-img, on {@code err} where nothing is drawn. */
  public ProgressLine onSignal(PrintStream err) {
    Signal.handle(
        new Signal("USR1"),
        signal -> {
          if (shown) {
            draw(percent);
          } else {
            err.print(text(percent) + "\n");
            err.flush();
          }
        });
    return this;
  }

  @Override
  public void at(long done, long total) {
    double now = 100.0 * done / total;
    percent = now;
    if (shown && (now - last >= STEP || now >= 100)) {
      last = now;
      draw(now);
    }
  }

  private void draw(double now) {
    print(text(now) + "\r");
  }

  private static String text(double now) {
    return String.format(Locale.ROOT, "    (%3.2f/100%%)", now);
  }

  /** Ends the line. */
  @Override
  public void close() {
    if (shown) {
      print("\n");
    }
  }

  private synchronized void print(String text) {
    try {
      out.write(text);
      out.flush();
    } catch (IOException e) {
      // A full disk or a closed pipe is reported by the last flush; the change goes on.
    }
  }
}
