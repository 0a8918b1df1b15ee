/**
 * Internal. Persistent dirty bitmaps: their directory, as far as {@code info} shows it.
 *
 * <h2>What must hold</h2>
 *
 * A damaged bitmap directory never keeps the disk from being read.
 */
@NullMarked
package org.qcowfs.engine.qcow2.bitmap;

import org.jspecify.annotations.NullMarked;
