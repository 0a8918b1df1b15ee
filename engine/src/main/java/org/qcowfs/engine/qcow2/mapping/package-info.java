/**
 * Internal. From guest offset to host offset: L1 and L2 tables.
 *
 * <h2>How it works</h2>
 *
 * A {@link org.qcowfs.engine.qcow2.mapping.DiskTable} is one disk of a qcow2 file (the active one,
 * or a snapshot's): it finds the L2 slice of a guest offset in the cache, or through the L1 table,
 * and {@link org.qcowfs.engine.qcow2.mapping.L2Decoder} turns its entries into a {@link
 * org.qcowfs.engine.layer.Mapping}, joining neighbours.
 *
 * <h2>What must hold</h2>
 *
 * A bad entry spoils exactly what it covers: one cluster for an L2 entry, one L2 table's range for
 * an L1 entry. Nothing is allocated on a cache hit.
 */
@NullMarked
package org.qcowfs.engine.qcow2.mapping;

import org.jspecify.annotations.NullMarked;
