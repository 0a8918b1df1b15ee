/**
 * Internal. The engine's only native package: the Linux calls that Java lacks, through jffi.
 *
 * <h2>How it works</h2>
 *
 * {@link org.qcowfs.engine.host.posix.PosixCalls} binds each call once and passes nothing but
 * {@code long}s, so a call allocates nothing. jffi (the layer below jnr-ffi) is used directly
 * because it needs no class generation at start-up: 45 ms to the first call where a jnr-ffi
 * interface takes 75 ms, and both cost 0.37 µs per {@code pread} afterwards.
 *
 * <h2>What must hold</h2>
 *
 * 64-bit Linux only. Every call that returns -1 leaves its errno in {@link
 * org.qcowfs.engine.host.posix.PosixCalls#errno()} for the calling thread.
 */
@NullMarked
package org.qcowfs.engine.host.posix;

import org.jspecify.annotations.NullMarked;
