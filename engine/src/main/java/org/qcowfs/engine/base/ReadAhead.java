package org.qcowfs.engine.base;

import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;
import org.qcowfs.engine.layer.Mapping;

/**
 * Has the host fetch what a sequential reader will want next, from files whose reads take long.
 *
 * <p>The host reads ahead by itself, but little (128 KiB, unless root said otherwise), and it knows
 * offsets of the file only. Here the map is known: the window follows a fragmented layout and jumps
 * over holes. It begins with 1 MiB, and doubles up to 16 MiB as long as a reader goes on.
 *
 * <p>Whether reads take long is measured: an average that a slow read raises at once and quick ones
 * lower slowly, because once this works most reads are quick.
 *
 * <p><b>Thread safety:</b> safe; who finds another reader at it goes on without.
 */
public final class ReadAhead {
  /** A read that takes longer than this is slow. */
  public static final long SLOW_NANOS = 1_000_000;

  private static final long FIRST_WINDOW = 1 << 20;
  private static final long MAX_WINDOW = 16 << 20;

  /** Less is not asked for: it would cost a system call for each small read. */
  private static final long MIN_STEP = 128 << 10;

  /** Holes are jumped over as far as this in one go. */
  private static final long MAX_JUMP = 1 << 30;

  private static final int READERS = 4;

  /** Says where guest bytes live, as {@link org.qcowfs.engine.Image#resolve}. */
  public interface Map {
    void resolve(long guestOffset, long length, Mapping out);
  }

  /** One sequential reader. */
  private static final class Reader {
    /** Where its next read should begin. */
    long next;

    /** Up to where the host has been asked. */
    long asked;

    long window;
    long usedAt;
  }

  private final Map map;
  private final LongSupplier size;
  private final ReentrantLock lock = new ReentrantLock();
  private final Reader[] readers = new Reader[READERS];
  private final Mapping mapping = new Mapping();
  private long clock;
  private volatile long averageNanos;

  /**
   * @param size tells the disk's size in bytes, which may grow
   */
  public ReadAhead(Map map, LongSupplier size) {
    this.map = map;
    this.size = size;
    for (int i = 0; i < READERS; i++) {
      readers[i] = new Reader();
      readers[i].next = Long.MIN_VALUE / 2;
    }
  }

  /** A read from a file took so long. */
  public void took(long nanos) {
    long average = averageNanos;
    // Two threads may overwrite each other's step: it is an estimate.
    averageNanos = average + (nanos - average >> (nanos > average ? 1 : 6));
  }

  /** A guest is about to read a range, which is not in the top layer. */
  public void reading(long guestOffset, long length) {
    if (averageNanos < SLOW_NANOS || !lock.tryLock()) {
      return;
    }
    try {
      Reader reader = find(guestOffset, length);
      reader.usedAt = ++clock;
      if (reader.window == 0) {
        return; // its first read: nobody knows yet whether it goes on
      }
      long from = Math.max(reader.asked, reader.next);
      long to = Math.min(size.getAsLong(), reader.next + reader.window);
      if (to - from >= MIN_STEP) {
        reader.asked = ask(from, to);
        reader.window = Math.min(MAX_WINDOW, reader.window * 2);
      }
    } finally {
      lock.unlock();
    }
  }

  /** The reader who goes on here, or else who has not read for longest, as a new one. */
  private Reader find(long guestOffset, long length) {
    Reader oldest = readers[0];
    for (Reader reader : readers) {
      // The kernel sends several requests at once, which arrive in any order.
      if (Math.abs(guestOffset - reader.next) <= 2 * length) {
        reader.window = Math.max(reader.window, FIRST_WINDOW);
        reader.next = Math.max(reader.next, guestOffset + length);
        return reader;
      }
      if (reader.usedAt < oldest.usedAt) {
        oldest = reader;
      }
    }
    oldest.next = guestOffset + length;
    oldest.asked = oldest.next;
    oldest.window = 0;
    return oldest;
  }

  /** Asks for the data of a range, or more where it has holes; returns up to where. */
  private long ask(long from, long to) {
    long most = Math.min(size.getAsLong(), from + MAX_JUMP);
    long at = from;
    for (long end = to; at < end; at += mapping.length()) {
      map.resolve(at, end - at, mapping);
      switch (mapping.kind()) {
        case DATA -> mapping.dataFile().willNeed(mapping.hostOffset(), mapping.length());
        // Compressed to about a half; what is asked for twice is fetched once.
        case COMPRESSED -> mapping.dataFile().willNeed(mapping.hostOffset(), mapping.length() / 2);
        case ZERO, UNALLOCATED -> end = Math.min(most, end + mapping.length());
        case DAMAGED -> {}
      }
    }
    return at;
  }
}
