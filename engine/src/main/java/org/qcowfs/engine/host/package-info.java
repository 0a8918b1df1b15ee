/**
 * Bytes of the host: the files an image consists of.
 *
 * <h2>What this is</h2>
 *
 * {@link org.qcowfs.engine.host.HostFile} is positional I/O on one open file; {@link
 * org.qcowfs.engine.host.DataBuffer} is the off-heap memory the bytes move through.
 *
 * <h2>How it works</h2>
 *
 * Callers name a buffer, a position in it and a length, so that nothing is sliced, and so nothing
 * allocated, per request. {@link org.qcowfs.engine.host.PosixHostFile} passes the buffer's address
 * to {@code pread}.
 *
 * <h2>What must hold</h2>
 *
 * Positions are absolute; no call keeps state in a buffer or moves a file position, so any number
 * of threads may use one file. A read-only open is {@code O_RDONLY} and changes nothing on the
 * host.
 */
@NullMarked
package org.qcowfs.engine.host;

import org.jspecify.annotations.NullMarked;
