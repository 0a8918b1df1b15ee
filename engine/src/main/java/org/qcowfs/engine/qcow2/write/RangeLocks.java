package org.qcowfs.engine.qcow2.write;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Locks on ranges of guest clusters: writes in place share, everything that changes where a cluster
 * lives excludes.
 *
 * <p>Who comes later waits for who came earlier, so nobody starves; an operation holds one range at
 * a time, so nobody waits in a circle.
 *
 * <p><b>Thread safety:</b> safe. Nothing is allocated once as many ranges have been held at once as
 * there are threads.
 */
final class RangeLocks {
  /** A held or awaited range. */
  static final class Range {
    private long first;
    private long last;
    private boolean exclusive;
    private long ticket;

    private boolean conflicts(Range other) {
      return first <= other.last && other.first <= last && (exclusive || other.exclusive);
    }
  }

  private final List<Range> active = new ArrayList<>();
  private final List<Range> spare = new ArrayList<>();
  private long nextTicket;

  /**
   * Waits until no earlier conflicting range is held or awaited.
   *
   * @param first first guest cluster
   * @param last last guest cluster
   */
  Range lock(long first, long last, boolean exclusive) {
    boolean interrupted = false;
    Range range;
    synchronized (this) {
      range = take(first, last, exclusive);
      while (mustWait(range)) {
        try {
          wait();
        } catch (InterruptedException e) {
          interrupted = true; // nobody cancels a write halfway
        }
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    return range;
  }

  /**
   * As {@link #lock}, on everything, exclusively; who comes meanwhile waits.
   *
   * @return null if a range was still held after {@code nanos}
   */
  synchronized @Nullable Range tryLockAll(long nanos) {
    Range range = take(0, Long.MAX_VALUE, true);
    long end = System.nanoTime() + nanos;
    try {
      while (mustWait(range)) {
        long left = end - System.nanoTime();
        if (left <= 0) {
          unlock(range);
          return null;
        }
        TimeUnit.NANOSECONDS.timedWait(this, left);
      }
      return range;
    } catch (InterruptedException e) {
      unlock(range);
      Thread.currentThread().interrupt();
      return null;
    }
  }

  private Range take(long first, long last, boolean exclusive) {
    Range range = spare.isEmpty() ? new Range() : spare.remove(spare.size() - 1);
    range.first = first;
    range.last = last;
    range.exclusive = exclusive;
    range.ticket = nextTicket++;
    active.add(range);
    return range;
  }

  private boolean mustWait(Range range) {
    for (int i = 0; i < active.size(); i++) {
      Range other = active.get(i);
      if (other.ticket < range.ticket && range.conflicts(other)) {
        return true;
      }
    }
    return false;
  }

  synchronized void unlock(Range range) {
    active.remove(range);
    spare.add(range);
    if (!active.isEmpty()) {
      notifyAll();
    }
  }
}
