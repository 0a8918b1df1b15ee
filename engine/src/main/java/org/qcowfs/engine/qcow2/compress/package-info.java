/**
 * Internal. Compressed clusters.
 *
 * <h2>How it works</h2>
 *
 * {@link org.qcowfs.engine.qcow2.compress.CompressedReader} fetches the sectors a descriptor names
 * and has a {@link org.qcowfs.engine.qcow2.compress.Decompressor} of the calling thread make one
 * cluster of them. The last cluster is kept per thread, so that small reads in a row decompress
 * once.
 *
 * <h2>What must hold</h2>
 *
 * The output is exactly one cluster, whatever the stream says; nothing is allocated by what a
 * stream's header says. A stream that is damaged, too short or wants too large a window is an
 * error.
 */
@NullMarked
package org.qcowfs.engine.qcow2.compress;

import org.jspecify.annotations.NullMarked;
