/**
 * Internal. Refcounts: which host clusters are in use, and by how many.
 *
 * <h2>How it works</h2>
 *
 * {@link org.qcowfs.engine.qcow2.refcount.RefcountBlocks} keeps the refcount table in memory and
 * slices of refcount blocks in a small cache; changes stay in memory, marked dirty, until a flush
 * takes them. {@link org.qcowfs.engine.qcow2.refcount.Refcounts} counts and allocates in them,
 * forward from a hint that goes back whenever something is freed. {@link
 * org.qcowfs.engine.qcow2.refcount.MetadataMap} knows which clusters hold metadata, so that no
 * write ever lands on one (rule W8).
 *
 * <h2>What must hold</h2>
 *
 * Everything here is called with the image's metadata lock held. A count goes down only through
 * {@link org.qcowfs.engine.qcow2.write.PendingFrees}, after the last pointer is durably gone (rule
 * W2), or for a cluster that no pointer ever named.
 */
@NullMarked
package org.qcowfs.engine.qcow2.refcount;

import org.jspecify.annotations.NullMarked;
