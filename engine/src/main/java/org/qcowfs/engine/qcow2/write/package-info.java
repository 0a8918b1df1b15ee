/**
 * Internal. Writing to the active disk: allocation, copy-on-write, zeroing, flushing.
 *
 * <h2>How it works</h2>
 *
 * {@link org.qcowfs.engine.qcow2.write.WritePath} takes a guest write apart by cluster. What is
 * ours alone is written in place. Otherwise host clusters are allocated, filled (head and tail from
 * whatever was visible before, {@link org.qcowfs.engine.qcow2.write.ClusterFill}) and only then
 * linked into the L2 table. Changed metadata stays in memory ({@link
 * org.qcowfs.engine.qcow2.write.ActiveTables}, {@link org.qcowfs.engine.qcow2.refcount.Refcounts})
 * until {@link org.qcowfs.engine.qcow2.write.FlushPath} takes it.
 *
 * <h2>What must hold</h2>
 *
 * <ul>
 *   <li>W1: a cluster's refcount is durable before any durable pointer to it. A flush writes
 *       refcounts, syncs them together with the data, and only then writes L2 tables, syncs, and
 *       writes the L1 table.
 *   <li>W2: a pointer is durably gone before the refcount drops; a freed cluster is neither reused
 *       nor punched before that, nor while a reader that may have mapped it is under way ({@link
 *       org.qcowfs.engine.qcow2.write.PendingFrees}).
 *   <li>W3: COPIED is set exactly when the refcount is 1.
 *   <li>W4: header pointers change in one write of one sector, after what they point to is durable.
 *   <li>W5: refcounts are never lazy, so the dirty bit is never set; a dirty image is repaired
 *       before it is written to.
 *   <li>W6: unknown autoclear bits are cleared, durably, before the first write.
 *   <li>W7: after a failed sync nothing more is written: the state is FAILED, reads go on.
 *   <li>W8: no write without an overlap check ({@link
 *       org.qcowfs.engine.qcow2.refcount.MetadataMap}). What it refuses, and an entry that must not
 *       be written through, makes the image corrupt: it is marked so, the state is FAILED, reads go
 *       on.
 * </ul>
 *
 * Lock order: {@link org.qcowfs.engine.qcow2.write.RangeLocks} (one range per operation), then the
 * flush lock, then the metadata lock. Guest data is read and written with neither of the latter two
 * held.
 */
@NullMarked
package org.qcowfs.engine.qcow2.write;

import org.jspecify.annotations.NullMarked;
