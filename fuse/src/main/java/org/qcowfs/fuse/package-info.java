/**
 * Mounting an image: options, life cycle, and the file system jnr-fuse calls.
 *
 * <h2>What this is</h2>
 *
 * {@link org.qcowfs.fuse.ImageMount} is the first file to read: it builds the tree of what is
 * visible ({@link org.qcowfs.fuse.tree}), mounts it through libfuse, and serves it with threads of
 * its own ({@link org.qcowfs.fuse.session}).
 *
 * <h2>How it works</h2>
 *
 * A read goes {@code session.Worker} - {@code session.HotOperations} - {@code tree.FileContent} -
 * {@code Image.read}; a write ends in {@code tree.LiveDisk} and {@code Image.write}. Everything
 * that names a path goes {@code session.Worker} - libfuse - {@code ImageFileSystem} - {@code
 * tree.MountTree}, on the same thread.
 *
 * <h2>What must hold</h2>
 *
 * A process that reads its own mount waits for itself: nothing here opens a path below the mount
 * point. Nothing that a request can cause leaves a callback as an exception.
 */
@NullMarked
package org.qcowfs.fuse;

import org.jspecify.annotations.NullMarked;
