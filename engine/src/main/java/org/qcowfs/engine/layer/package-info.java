/**
 * What a disk-image format implements: one layer of a chain.
 *
 * <h2>How it works</h2>
 *
 * {@link org.qcowfs.engine.layer.Layer#map} says where a guest range lives, without touching its
 * data; whoever wants the bytes then reads them from the host file named by the {@link
 * org.qcowfs.engine.layer.Mapping}. Reading, hole seeking, {@code map}, {@code convert} and {@code
 * st_blocks} all ask the same method: it is the one truth for "where is this byte".
 *
 * <h2>What must hold</h2>
 *
 * A layer knows nothing of the layers below it. Optional powers are interfaces of their own ({@link
 * org.qcowfs.engine.layer.Snapshotted}), never methods that throw.
 */
@NullMarked
package org.qcowfs.engine.layer;

import org.jspecify.annotations.NullMarked;
