/**
 * Disk images as a library: open one with {@link org.qcowfs.engine.Images}, read it as an {@link
 * org.qcowfs.engine.Image}.
 *
 * <h2>How it works</h2>
 *
 * An image is a chain of {@link org.qcowfs.engine.layer.Layer}s, the top first. A read asks each
 * layer in turn where the bytes live, and fetches them from the first that knows.
 *
 * <h2>What must hold</h2>
 *
 * No lock is held while guest data is read, and a read allocates nothing in steady state.
 */
@NullMarked
package org.qcowfs.engine;

import org.jspecify.annotations.NullMarked;
