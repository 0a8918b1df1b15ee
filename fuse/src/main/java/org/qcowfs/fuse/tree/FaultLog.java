package org.qcowfs.fuse.tree;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;

/**
 * The log of a mount: one line per fault. A line that repeats is written at most every ten seconds,
 * then with a count: a program that retries a bad sector must not fill a disk.
 *
 * <p><b>Thread safety:</b> any thread.
 */
public final class FaultLog {
  private static final long QUIET_NANOS = 10_000_000_000L;
  private static final int REMEMBERED = 64;

  private final Consumer<String> sink;
  private final LongSupplier nanoClock;

  /** Lines written lately, the oldest first. */
  private final Map<String, Repeats> recent =
      new LinkedHashMap<>() {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Repeats> eldest) {
          return size() > REMEMBERED;
        }
      };

  private static final class Repeats {
    private long writtenAt;
    private long suppressed;
  }

  /** Writes each line to {@code sink}, without a line end. */
  public FaultLog(Consumer<String> sink) {
    this(sink, System::nanoTime);
  }

  FaultLog(Consumer<String> sink, LongSupplier nanoClock) {
    this.sink = sink;
    this.nanoClock = nanoClock;
  }

  /** An image or its host is at fault. */
  public void fault(ImageException e) {
    if (!e.isReported()) {
      line(String.valueOf(e.getMessage()));
    }
  }

  /** We are at fault: nobody expected {@code e}. */
  public void unexpected(String doing, Throwable e) {
    StackTraceElement[] trace = e.getStackTrace();
    String where = trace.length == 0 ? "" : " at " + trace[0];
    line("internal error in " + doing + ": " + Escape.text(e.toString()) + where);
  }

  /** Writes a line, unless it was written a moment ago. */
  public synchronized void line(String line) {
    long now = nanoClock.getAsLong();
    Repeats repeats = recent.get(line);
    if (repeats == null) {
      repeats = new Repeats();
      recent.put(line, repeats);
    } else if (now - repeats.writtenAt < QUIET_NANOS) {
      repeats.suppressed++;
      return;
    }
    sink.accept(
        repeats.suppressed == 0 ? line : line + " (and " + repeats.suppressed + " times before)");
    repeats.suppressed = 0;
    repeats.writtenAt = now;
  }
}
