package org.qcowfs.fuse.stats;

import java.util.ArrayList;
import java.util.List;
import org.HdrHistogram.Histogram;

/**
 * The requests of one mount, over all threads that answer them.
 *
 * <p><b>Thread safety:</b> any thread; who asks never keeps a recording thread waiting.
 */
public final class RequestStatistics {
  static final int KINDS = Operation.values().length;

  /** The resolution of the shortest latencies. */
  static final long MIN_NANOS = 128;

  /** An hour; what takes longer counts as that. */
  static final long MAX_NANOS = 3_600_000_000_000L;

  /** Significant decimal digits of a latency. */
  static final int DIGITS = 2;

  /** What recorders that are gone, and the latencies of those that are there, amount to. */
  private static final class Total {
    private final Histogram latencies = new Histogram(MIN_NANOS, MAX_NANOS, DIGITS);
    private long bytes;
    private long failures;
    private long nanos;
  }

  private final Operation[] operations = Operation.values();
  private final List<RequestRecorder> recorders = new ArrayList<>();
  private final List<Total> totals = new ArrayList<>();
  private volatile boolean flightRecorded;
  private final long begunNanos = System.nanoTime();

  /** With nothing counted yet; its clock starts now. */
  public RequestStatistics() {
    for (int i = 0; i < KINDS; i++) {
      totals.add(new Total());
    }
  }

  /** How long it has counted, in nanoseconds. */
  public long elapsedNanos() {
    return System.nanoTime() - begunNanos;
  }

  /**
   * From now on, and while Java's flight recorder runs, requests are events for it. Not before the
   * mount answers: looking for the recorder takes a moment.
   */
  public void recordFlight() {
    FlightRecording.await(() -> flightRecorded = true);
  }

  /** Whether the flight recorder may want to know of requests. */
  boolean isFlightRecorded() {
    return flightRecorded;
  }

  /** A recorder for one thread. */
  public synchronized RequestRecorder newRecorder() {
    RequestRecorder recorder = new RequestRecorder(this);
    recorders.add(recorder);
    return recorder;
  }

  /** The thread of {@code recorder} has ended: what it recorded stays counted. */
  public synchronized void retire(RequestRecorder recorder) {
    if (recorders.remove(recorder)) {
      for (Operation operation : operations) {
        Total total = totals.get(operation.ordinal());
        recorder.drainLatencies(operation, total.latencies);
        total.bytes += recorder.bytes(operation);
        total.failures += recorder.failures(operation);
        total.nanos += recorder.totalNanos(operation);
      }
    }
  }

  /** What is known by now, one for each kind of request in its order. */
  public synchronized List<OperationStatistics> now() {
    List<OperationStatistics> result = new ArrayList<>();
    for (Operation operation : operations) {
      Total total = totals.get(operation.ordinal());
      long bytes = total.bytes;
      long failures = total.failures;
      long nanos = total.nanos;
      for (RequestRecorder recorder : recorders) {
        recorder.drainLatencies(operation, total.latencies);
        bytes += recorder.bytes(operation);
        failures += recorder.failures(operation);
        nanos += recorder.totalNanos(operation);
      }
      result.add(
          new OperationStatistics(operation, bytes, failures, nanos, total.latencies.copy()));
    }
    return result;
  }
}
