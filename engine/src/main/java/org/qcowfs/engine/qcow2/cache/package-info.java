/**
 * Internal. The bounded cache of L1 and L2 tables.
 *
 * <h2>How it works</h2>
 *
 * Tables are cut into slices of at most 4 KiB, decoded to {@code long}s. Slices sit in a
 * set-associative array: a hit is a few plain loads of an {@code AtomicReferenceArray}, no lock; a
 * miss loads the slice and replaces the least recently used of its set. A slice that is evicted
 * while somebody reads it stays alive for as long as that takes, by the garbage collector's grace.
 *
 * <h2>What must hold</h2>
 *
 * The memory is bounded by the number of slots, fixed when the cache is made; nothing an image says
 * changes it. One cache serves all layers of a chain.
 */
@NullMarked
package org.qcowfs.engine.qcow2.cache;

import org.jspecify.annotations.NullMarked;
