package org.qcowfs.engine.base;

import java.io.Closeable;
import java.io.IOException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.json.JsonWriter;
import org.qcowfs.engine.layer.Mapping;

/**
 * Copies everything that the layers below hold into the top layer, in the background: it reads the
 * disk from one end to the other, and {@link CopyOnRead} keeps what was read. What is there already
 * is skipped, so that it can be stopped and begun again.
 *
 * <p>Life: {@link #start} - the thread ends by itself, or at {@link #close}. A read that hangs is
 * left behind by {@code close}; what it brings in the end is not kept.
 *
 * <p><b>Thread safety:</b> any thread.
 */
public final class Prefetch implements Closeable {
  private enum State {
    RUNNING,
    FINISHED,
    STOPPED,
    INCOMPLETE
  }

  private static final int CHUNK = 1 << 20;

  /** For so long a chunk waits for guests that are reading from below. */
  private static final long PATIENCE_NANOS = 100_000_000;

  private static final long POLL_NANOS = 1_000_000;
  private static final long CLOSE_MILLIS = 2_000;

  private final Image image;
  private final CopyOnRead copying;
  private final long bytesPerSecond;
  private final Consumer<String> log;
  private final Thread thread = new Thread(this::run, "prefetch");
  private final Mapping mapping = new Mapping();
  private final DataBuffer buffer;
  private volatile State state = State.RUNNING;
  private volatile boolean closed;
  private volatile long done;
  private volatile long total;
  private long unreadable;
  private long dueNanos;
  private int tenths;

  /**
   * @param copying what keeps what is read from {@code image}
   * @param bytesPerSecond the most that is copied, or 0 for no limit
   * @param log receives a line for each tenth, and one at the end
   */
  public Prefetch(Image image, CopyOnRead copying, long bytesPerSecond, Consumer<String> log) {
    this.image = image;
    this.copying = copying;
    this.bytesPerSecond = bytesPerSecond;
    this.log = log;
    this.buffer = DataBuffer.allocate(Math.max(CHUNK, copying.unit()));
    thread.setDaemon(true);
  }

  /** Begins, once. */
  public void start() {
    dueNanos = System.nanoTime();
    thread.start();
  }

  /** Bytes copied, or found to be there already, of {@link #total}. */
  public long done() {
    return done;
  }

  /** Bytes that were below when it began; 0 until they are counted. */
  public long total() {
    return total;
  }

  /** Whether it has ended, in whatever way. */
  public boolean hasEnded() {
    return state != State.RUNNING;
  }

  /** Writes {@code prefetch.json}. */
  public void writeJson(Appendable out) throws IOException {
    JsonWriter json = new JsonWriter(out);
    json.beginObject(null).string("state", state.name().toLowerCase(java.util.Locale.ROOT));
    json.number("copied", done).number("total", total);
    if (bytesPerSecond > 0) {
      json.number("bytes-per-second", bytesPerSecond);
    }
    json.endObject();
  }

  private void run() {
    try {
      total = walk(null);
      walk(this::copy);
      // Nobody below is asked again only if nothing is left there, by the maps' own word.
      long left = walk(null);
      if (closed) {
        state = State.STOPPED;
        log.accept("prefetch: stopped at " + amount() + "; the next one goes on from there");
      } else if (!copying.isOn() || unreadable > 0 || left > 0) {
        state = State.INCOMPLETE;
        log.accept(
            "prefetch: incomplete, "
                + amount()
                + (unreadable > 0 ? "; " + unreadable + " bytes could not be read" : ""));
      } else {
        image.flush();
        image.topHasAll();
        state = State.FINISHED;
        log.accept(
            "prefetch: finished, " + (done >> 20) + " MiB; the files below are no longer read");
      }
    } catch (ImageException e) {
      state = closed ? State.STOPPED : State.INCOMPLETE;
      if (!closed) {
        log.accept("prefetch: incomplete, " + amount() + ": " + e.getMessage());
      }
    }
  }

  private interface Range {
    void take(long guestOffset, long length);
  }

  /** Finds what the layers below hold and the top has not; returns its bytes. */
  private long walk(@Nullable Range action) throws ImageException {
    long found = 0;
    for (long at = 0; at < image.size() && !closed && copying.isOn(); ) {
      image.extent(at, image.size() - at, mapping);
      long end = at + mapping.length();
      if (mapping.depth() > 0) {
        switch (mapping.kind()) {
          case DATA, COMPRESSED -> {
            found += end - at;
            if (action != null) {
              action.take(at, end - at);
            }
          }
          case DAMAGED -> unreadable += action == null ? 0 : end - at;
          case ZERO, UNALLOCATED -> {}
        }
      }
      at = end;
    }
    return found;
  }

  private void copy(long guestOffset, long length) {
    int unit = copying.unit();
    long end = Math.min(image.size(), guestOffset + length + unit - 1 & -unit);
    for (long at = guestOffset & -unit; at < end && !closed && copying.isOn(); ) {
      int n = (int) Math.min(end - at, buffer.capacity());
      giveWay(n);
      if (closed) {
        return;
      }
      try {
        image.read(at, buffer, 0, n);
      } catch (ImageException e) {
        if (!closed) {
          log.accept("prefetch: " + e.getMessage());
        }
        unreadable += n;
      }
      at += n;
      long ended = Math.min(at, guestOffset + length);
      done += Math.max(0, ended - Math.max(guestOffset, at - n));
      report();
    }
  }

  /** Waits for guests that read from below, and for what the rate allows. */
  private void giveWay(int length) {
    long patience = System.nanoTime() + PATIENCE_NANOS;
    while (copying.underWay() > 0 && System.nanoTime() < patience && !closed) {
      LockSupport.parkNanos(POLL_NANOS);
    }
    if (bytesPerSecond == 0) {
      return;
    }
    long now = System.nanoTime();
    // What was not used while guests were read for is not made up for.
    dueNanos = Math.max(dueNanos, now - TimeUnit.SECONDS.toNanos(1));
    for (long left = dueNanos - now; left > 0 && !closed; left = dueNanos - System.nanoTime()) {
      LockSupport.parkNanos(left);
    }
    dueNanos += (long) (length * 1e9 / bytesPerSecond);
  }

  private void report() {
    int now = total == 0 ? 10 : (int) (done * 10 / total);
    if (now > tenths && now < 10) {
      log.accept("prefetch: " + amount());
    }
    tenths = Math.max(tenths, now);
  }

  private String amount() {
    long percent = total == 0 ? 0 : done * 100 / total;
    return percent + " % (" + (done >> 20) + " of " + (total >> 20) + " MiB)";
  }

  /** Ends it, within two seconds even where a read from below hangs. */
  @Override
  public void close() {
    closed = true;
    LockSupport.unpark(thread);
    try {
      thread.join(CLOSE_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
