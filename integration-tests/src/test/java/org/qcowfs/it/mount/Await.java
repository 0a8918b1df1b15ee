package org.qcowfs.it.mount;

import java.time.Duration;
import java.util.function.BooleanSupplier;

/** Waits for what nothing announces. */
public final class Await {
  /** Only what hangs takes so long, on a slow machine under load too. */
  private static final Duration LIMIT = Duration.ofMinutes(2);

  private Await() {}

  /** Returns when {@code condition} holds; fails with {@code what} after two minutes. */
  public static void until(String what, BooleanSupplier condition) {
    long end = System.nanoTime() + LIMIT.toNanos();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > end) {
        throw new AssertionError("not within " + LIMIT + ": " + what);
      }
      try {
        // What is awaited happens in other processes or the kernel, which announce nothing.
        Thread.sleep(5);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new AssertionError("interrupted", e);
      }
    }
  }
}
