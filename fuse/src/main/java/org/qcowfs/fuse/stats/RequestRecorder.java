package org.qcowfs.fuse.stats;

import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.SingleWriterRecorder;
import org.jspecify.annotations.Nullable;

/**
 * Where one thread records the requests it answers.
 *
 * <p><b>Thread safety:</b> {@link #received} and {@link #answered} by the one thread it belongs to;
 * the rest by whoever holds the lock of the {@link RequestStatistics} that made it.
 */
public final class RequestRecorder {
  /** One per kind of request and thread; each counter has one writer. */
  private static final class Cell {
    private final SingleWriterRecorder latencies =
        new SingleWriterRecorder(
            RequestStatistics.MIN_NANOS, RequestStatistics.MAX_NANOS, RequestStatistics.DIGITS);
    private final AtomicLong bytes = new AtomicLong();
    private final AtomicLong failures = new AtomicLong();
    private final AtomicLong nanos = new AtomicLong();
    private @Nullable Histogram interval;

    // One writer: a plain store is enough, and costs less than an atomic addition.
    private static void add(AtomicLong counter, long amount) {
      counter.lazySet(counter.getPlain() + amount);
    }
  }

  /** Made at the first request of their kind. */
  private final AtomicReferenceArray<Cell> cells =
      new AtomicReferenceArray<>(RequestStatistics.KINDS);

  /** When the request in work was received, {@link System#nanoTime}; 0 between requests. */
  private final AtomicLong inWorkSince = new AtomicLong();

  private final RequestStatistics statistics;
  private @Nullable SlowRequest event;
  private boolean eventBegun;

  RequestRecorder(RequestStatistics statistics) {
    this.statistics = statistics;
  }

  /**
   * The thread has a request to answer.
   *
   * @param nanoTime when it was received
   */
  public void received(long nanoTime) {
    inWorkSince.lazySet(nanoTime | 1);
    if (statistics.isFlightRecorded()) {
      beginEvent();
    }
  }

  private void beginEvent() {
    SlowRequest known = event;
    if (known == null) {
      known = new SlowRequest();
      event = known;
    }
    known.begin();
    eventBegun = true;
  }

  /**
   * When the request that the thread is answering was received, as {@link System#nanoTime} tells it
   * (to 2 ns); 0 if it answers none. Any thread may ask.
   */
  public long inWorkSince() {
    return inWorkSince.get();
  }

  /**
   * The request that {@link #received} announced is answered.
   *
   * @param nanos how long it took, at least 0
   * @param offset where in the file, if that means something
   * @param bytes how much it moved
   * @param failed see {@link OperationStatistics#failures}
   */
  public void answered(Operation operation, long nanos, long offset, long bytes, boolean failed) {
    inWorkSince.lazySet(0);
    if (eventBegun) {
      endEvent(operation, offset, bytes, failed);
    }
    Cell cell = cells.getPlain(operation.ordinal());
    if (cell == null) {
      cell = new Cell();
      cells.setRelease(operation.ordinal(), cell);
    }
    cell.latencies.recordValue(Math.min(nanos, RequestStatistics.MAX_NANOS));
    Cell.add(cell.nanos, nanos);
    if (bytes != 0) {
      Cell.add(cell.bytes, bytes);
    }
    if (failed) {
      Cell.add(cell.failures, 1);
    }
  }

  private void endEvent(Operation operation, long offset, long bytes, boolean failed) {
    eventBegun = false;
    SlowRequest known = event;
    if (known != null) {
      known.end();
      if (known.shouldCommit()) {
        known.operation = operation.label();
        known.offset = offset;
        known.bytes = bytes;
        known.failed = failed;
        known.commit();
      }
    }
  }

  /** Moves the latencies recorded since the last call into {@code total}. */
  void drainLatencies(Operation operation, Histogram total) {
    Cell cell = cells.getAcquire(operation.ordinal());
    if (cell != null) {
      cell.interval = cell.latencies.getIntervalHistogram(cell.interval);
      total.add(cell.interval);
    }
  }

  /** Bytes so far. */
  long bytes(Operation operation) {
    Cell cell = cells.getAcquire(operation.ordinal());
    return cell == null ? 0 : cell.bytes.get();
  }

  /** Failures so far. */
  long failures(Operation operation) {
    Cell cell = cells.getAcquire(operation.ordinal());
    return cell == null ? 0 : cell.failures.get();
  }

  /** The sum of all latencies so far, in nanoseconds. */
  long totalNanos(Operation operation) {
    Cell cell = cells.getAcquire(operation.ordinal());
    return cell == null ? 0 : cell.nanos.get();
  }
}
