package org.qcowfs.cli.render;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Locale;
import org.qcowfs.cli.program.Console;

/**
 * {@code -p}: one line that is drawn over again, as qemu-img's.
 *
 * <p><b>Thread safety:</b> safe.
 */
public final class ProgressLine {
  private final Console console;
  private final boolean shown;
  private double last = -1;

  /**
   * @param shown whether there is one at all
   */
  public ProgressLine(Console console, boolean shown) {
    this.console = console;
    this.shown = shown;
  }

  /** Draws a percentage, if it differs from the last by one at least, or is the end. */
  public synchronized void show(double percent) {
    if (!shown || percent - last < 1 && percent < 100) {
      return;
    }
    last = percent;
    try {
      console.out().append(String.format(Locale.ROOT, "    (%3.2f/100%%)\r", percent));
      console.out().flush();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Ends the line. */
  public synchronized void end() throws IOException {
    if (shown) {
      console.out().append('\n');
    }
  }
}
