/**
 * The benchmark behind BENCHMARKS.md: paired, interleaved runs of this program, QEMU's FUSE export
 * of the same image, and the raw file as a ceiling. Not a test; {@code integration-tests/bench/run}
 * starts it.
 *
 * <h2>How it works</h2>
 *
 * {@link org.qcowfs.it.bench.Bench} prepares images, mounts each through both programs, and lets
 * {@link org.qcowfs.it.bench.Rounds} measure them in turn; each round gives one ratio, and {@link
 * org.qcowfs.it.bench.Table} shows median, smallest and largest.
 */
@NullMarked
package org.qcowfs.it.bench;

import org.jspecify.annotations.NullMarked;
