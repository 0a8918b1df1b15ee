package org.qcowfs.fuse.stats;

import org.HdrHistogram.Histogram;

/**
 * What is known of one kind of request.
 *
 * @param bytes read, written, or zeroed and discarded
 * @param failures requests answered with an error that is not an ordinary answer: a name that does
 *     not exist and the end of a search are not counted
 * @param totalNanos the sum of all latencies
 * @param latencies in nanoseconds, from when the request was received until it was answered; a
 *     private copy
 */
public record OperationStatistics(
    Operation operation, long bytes, long failures, long totalNanos, Histogram latencies) {
  /** How many requests were answered. */
  public long count() {
    return latencies.getTotalCount();
  }
}
