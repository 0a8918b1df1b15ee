package org.qcowfs.engine.qcow2.write;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * Tells when every reader that may still use an old mapping has finished, without making readers
 * wait (the way sleepable read-copy-update counts readers in two epochs).
 *
 * <p>A cluster unlinked in epoch e may be reused once the epoch is e + 2: every reader that entered
 * before the unlinking has left by then.
 *
 * <p><b>Thread safety:</b> safe; {@link #enter} and {@link #exit} take no lock.
 */
final class ReadGate {
  private final AtomicInteger even = new AtomicInteger();
  private final AtomicInteger odd = new AtomicInteger();
  private volatile long epoch;

  /** Begins to read; the result goes to {@link #exit}. */
  int enter() {
    while (true) {
      long now = epoch;
      AtomicInteger count = count(now);
      count.incrementAndGet();
      if (epoch == now) {
        return (int) (now & 1);
      }
      count.decrementAndGet();
    }
  }

  void exit(int entered) {
    count(entered).decrementAndGet();
  }

  /** The current epoch. */
  long epoch() {
    return epoch;
  }

  /** Moves on by up to two epochs as far as no reader of the previous one is left. */
  synchronized void advance() {
    for (int i = 0; i < 2; i++) {
      long now = epoch;
      if (count(now + 1).get() != 0) {
        return;
      }
      epoch = now + 1;
    }
  }

  private AtomicInteger count(long epoch) {
    return (epoch & 1) == 0 ? even : odd;
  }
}
