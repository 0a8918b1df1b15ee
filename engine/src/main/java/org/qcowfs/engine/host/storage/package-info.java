/**
 * Internal. Image files that are only read, on storage that other machines share: a base on NFS.
 *
 * <h2>What this is</h2>
 *
 * {@link org.qcowfs.engine.host.storage.StorageFiles} opens files as the host does, and puts a
 * {@link org.qcowfs.engine.host.storage.StorageFile} around each that is opened for reading only.
 *
 * <h2>How it works</h2>
 *
 * About once a second a read also asks whether the file is still as it was opened ({@link
 * org.qcowfs.engine.host.storage.FilePrint}). A handle that the file server has lost (ESTALE) is
 * opened again by its path. With a time limit, opens, reads and questions run on threads of their
 * own ({@link org.qcowfs.engine.host.storage.TimedCalls}), which may be left behind; locks always
 * do ({@link org.qcowfs.engine.host.storage.BoundedLocks}).
 *
 * <h2>What must hold</h2>
 *
 * After a change has been seen no byte of the file is returned any more. A descriptor stays open as
 * long as its {@code StorageFile}: a read never meets one that is another file's by now. Without a
 * time limit a read allocates nothing.
 */
@NullMarked
package org.qcowfs.engine.host.storage;

import org.jspecify.annotations.NullMarked;
