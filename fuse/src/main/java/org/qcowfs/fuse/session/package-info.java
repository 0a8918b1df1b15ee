/**
 * The request loop over {@code /dev/fuse}: all native layouts of the driver are here.
 *
 * <h2>How it works</h2>
 *
 * libfuse mounts and keeps the paths; {@link org.qcowfs.fuse.session.Session} replaces its loop by
 * one {@link org.qcowfs.fuse.session.Worker} thread per core, and more while all of these wait for
 * storage ({@link org.qcowfs.fuse.session.WorkerPool}). Each worker reads requests from its own
 * clone of the device. READ, LSEEK, WRITE, FALLOCATE, FSYNC and FLUSH are answered at once by
 * {@link org.qcowfs.fuse.session.HotOperations}; every other request goes to {@code
 * fuse_session_process}, which calls back on the same thread and answers through the worker's own
 * channel ({@link org.qcowfs.fuse.session.DeviceChannel}).
 *
 * <p>What may have to wait until the kernel has written back what it keeps (a seek in a disk that
 * is open for writing, a document about it, making a snapshot) goes to {@link
 * org.qcowfs.fuse.session.WaitingLane}, threads of its own.
 *
 * <p>A reader that a signal asks to end is let go while its worker still waits ({@link
 * org.qcowfs.fuse.session.Interrupts}).
 *
 * <h2>What must hold</h2>
 *
 * A reply is written to the descriptor its request came from. The path of a READ or WRITE allocates
 * nothing. No worker ever waits for the kernel, which needs one for each WRITE. LSEEK is never
 * answered ENOSYS: the kernel would report no holes for the rest of the mount. What libfuse never
 * saw it must not be told to interrupt: it never sees an INTERRUPT. A descriptor is closed only by
 * the thread that also answers interrupted requests, so that no answer goes to another file.
 */
@NullMarked
package org.qcowfs.fuse.session;

import org.jspecify.annotations.NullMarked;
