package org.qcowfs.it.storage;

import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.posix.Errno;

/**
 * What is wrong with a {@link BadStorage}, and what it was asked for; at first nothing is.
 *
 * <p><b>Thread safety:</b> any thread; a change counts for what is asked for after it.
 */
public final class Faults {
  /** What a program can ask of the file system. */
  public enum Call {
    OPEN,
    READ,
    WRITE,
    STAT,
    SEEK,
    FALLOCATE,
    LOCK
  }

  private final AtomicIntegerArray errnos = new AtomicIntegerArray(Call.values().length);
  private final AtomicLong reads = new AtomicLong();
  private final AtomicLong bytesRead = new AtomicLong();
  private final AtomicInteger inFlight = new AtomicInteger();
  private final AtomicInteger mostInFlight = new AtomicInteger();
  private final AtomicLong bytesInFlight = new AtomicLong();
  private final AtomicLong mostBytesInFlight = new AtomicLong();
  private volatile long latencyNanos;
  private volatile boolean seekable = true;
  private volatile boolean rootSquashed;
  private volatile boolean cached;

  /** Handles opened before this many times of {@link #loseHandles} are stale. */
  private volatile int generation;

  private final Set<Call> hanging = EnumSet.noneOf(Call.class);
  private final int[] hung = new int[Call.values().length];
  private long steps;

  /** From now on each read takes this long at least; any number of them at the same time. */
  public void setLatencyMillis(long millis) {
    latencyNanos = millis * 1_000_000;
  }

  /** From now on reads do not return, until {@link #release}. */
  public void hang() {
    hang(Call.READ);
  }

  /** From now on such calls do not return, until {@link #release}. */
  public synchronized void hang(Call call) {
    hanging.add(call);
  }

  /** Lets what hangs now go on; what is asked for after it hangs again. */
  public synchronized void step() {
    steps++;
    notifyAll();
  }

  /** Lets all that hangs go on. */
  public synchronized void release() {
    hanging.clear();
    notifyAll();
  }

  /** Reads that hang now. */
  public int hung() {
    return hung(Call.READ);
  }

  /** Such calls that hang now. */
  public synchronized int hung(Call call) {
    return hung[call.ordinal()];
  }

  /** From now on {@code call} fails with {@code errno}; 0 lets it succeed again. */
  public void fail(Call call, int errno) {
    errnos.set(call.ordinal(), errno);
  }

  /** Whether holes can be found; if not, a file is one range of data ({@code SEEK_HOLE}). */
  public void setSeekable(boolean value) {
    seekable = value;
  }

  /**
   * Whether the kernel caches what is opened from now on, as it does on NFS: reads then come in
   * pieces of the kernel's own read-ahead.
   */
  public void setCached(boolean value) {
    cached = value;
  }

  /** Whether root may open only what everybody may read. */
  public void setRootSquashed(boolean value) {
    rootSquashed = value;
  }

  /** What is open now is lost: its reads fail with ESTALE. What is opened from now on works. */
  public synchronized void loseHandles() {
    generation = generation + 1;
  }

  /** Makes everything work again, for what is opened from now on. */
  public void heal() {
    for (Call call : Call.values()) {
      fail(call, 0);
    }
    latencyNanos = 0;
    seekable = true;
    rootSquashed = false;
    cached = false;
    release();
  }

  /** Reads asked for so far. */
  public long reads() {
    return reads.get();
  }

  /** Bytes asked for so far. */
  public long bytesRead() {
    return bytesRead.get();
  }

  /** The most reads that were under way at one time. */
  public int mostInFlight() {
    return mostInFlight.get();
  }

  /** The most bytes that were asked for at one time. */
  public long mostBytesInFlight() {
    return mostBytesInFlight.get();
  }

  int errno(Call call) {
    return errnos.get(call.ordinal());
  }

  boolean isSeekable() {
    return seekable;
  }

  boolean isCached() {
    return cached;
  }

  boolean isRootSquashed() {
    return rootSquashed;
  }

  int generation() {
    return generation;
  }

  /** Throws what the driver turns into {@code errno}, unless that is 0. */
  static void check(int errno) throws ImageException {
    if (errno != 0) {
      // The driver hands on the errno of a full disk as it is, and makes EIO of most others.
      boolean known = errno == Errno.EIO || errno == Errno.ESTALE;
      ErrorKind kind = known ? ErrorKind.IO : ErrorKind.NO_SPACE;
      throw new ImageException(kind, "bad storage", "on purpose", errno, null);
    }
  }

  /** A read begins: it waits as long as it has to. */
  void beginRead(int length) {
    reads.incrementAndGet();
    bytesRead.addAndGet(length);
    mostInFlight.accumulateAndGet(inFlight.incrementAndGet(), Math::max);
    mostBytesInFlight.accumulateAndGet(bytesInFlight.addAndGet(length), Math::max);
    long end = System.nanoTime() + latencyNanos;
    for (long left = latencyNanos; left > 0; left = end - System.nanoTime()) {
      LockSupport.parkNanos(left);
    }
    awaitRelease(Call.READ);
  }

  /** Returns when {@code call} need not hang any more, or nobody waits for it any more. */
  synchronized void awaitRelease(Call call) {
    hung[call.ordinal()]++;
    long begun = steps;
    try {
      while (hanging.contains(call) && steps == begun) {
        wait();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      hung[call.ordinal()]--;
    }
  }

  void endRead(int length) {
    inFlight.decrementAndGet();
    bytesInFlight.addAndGet(-length);
  }
}
