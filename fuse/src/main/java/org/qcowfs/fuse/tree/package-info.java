/**
 * What is visible in a mount: folders and files over an {@code Image}, in plain Java.
 *
 * <h2>How it works</h2>
 *
 * {@link org.qcowfs.fuse.tree.MountTree} finds a {@link org.qcowfs.fuse.tree.Node} by path. A
 * folder makes its children when it is first looked into, and a file opens what it shows when it is
 * first looked at, so a mount with a thousand snapshots costs nothing until somebody goes there.
 *
 * <h2>What must hold</h2>
 *
 * Testable without a mount: no native call, no libfuse type. A name from an image becomes a file
 * name only through {@link org.qcowfs.fuse.tree.SafeName}. What cannot be read is an errno and one
 * log line, never zeroes.
 */
@NullMarked
package org.qcowfs.fuse.tree;

import org.jspecify.annotations.NullMarked;
