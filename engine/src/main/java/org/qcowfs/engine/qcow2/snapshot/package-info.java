/**
 * Internal. Internal snapshots: the table that lists them.
 *
 * <h2>How it works</h2>
 *
 * {@link org.qcowfs.engine.qcow2.snapshot.SnapshotTable} reads the whole table once at open, piece
 * by piece. A snapshot's disk is a {@link org.qcowfs.engine.qcow2.mapping.DiskTable} over its own
 * L1 table, made when it is asked for.
 *
 * <h2>What must hold</h2>
 *
 * A damaged table never keeps the disk itself from being read: what can be made out is shown, the
 * rest is a warning.
 */
@NullMarked
package org.qcowfs.engine.qcow2.snapshot;

import org.jspecify.annotations.NullMarked;
