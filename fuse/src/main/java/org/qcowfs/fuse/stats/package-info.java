/**
 * What a mount has done so far: requests by kind, their latencies, bytes and failures.
 *
 * <h2>How it works</h2>
 *
 * Each thread that answers requests has a {@link org.qcowfs.fuse.stats.RequestRecorder} of its own
 * and writes to nothing else; {@link org.qcowfs.fuse.stats.RequestStatistics} adds them up when
 * somebody asks. Latencies are HdrHistograms, so percentiles are exact to one part in a hundred.
 *
 * <h2>What must hold</h2>
 *
 * Recording takes no lock, shares no cache line between threads and, after the first request of a
 * kind, allocates nothing. What a thread recorded stays counted when the thread ends.
 */
@NullMarked
package org.qcowfs.fuse.stats;

import org.jspecify.annotations.NullMarked;
