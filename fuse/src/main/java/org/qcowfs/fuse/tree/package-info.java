/**
 * What is visible in a mount: folders and files over an {@code Image}, in plain Java.
 *
 * <h2>How it works</h2>
 *
 * {@link org.qcowfs.fuse.tree.MountTree} finds a {@link org.qcowfs.fuse.tree.Node} by path. A
 * folder makes its children when it is first looked into, and a file opens what it shows when it is
 * first looked at, so a mount with a thousand snapshots costs nothing until somebody goes there.
 *
 * <p>A disk open for writing is a {@link org.qcowfs.fuse.tree.LiveDisk}, shared by the root view
 * and that of the first layer; its documents are rendered anew for each open.
 *
 * <h2>What must hold</h2>
 *
 * Testable without a mount: no native call, no libfuse type. A name from an image becomes a file
 * name only through {@link org.qcowfs.fuse.tree.SafeName}. Where data is, is never answered before
 * the kernel has handed over what it keeps of the range ({@link org.qcowfs.fuse.tree.KernelCache}).
 * What cannot be read is an errno and one log line, never zeroes.
 */
@NullMarked
package org.qcowfs.fuse.tree;

import org.jspecify.annotations.NullMarked;
