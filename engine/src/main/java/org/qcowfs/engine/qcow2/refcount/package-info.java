/**
 * Reading of refcounts.
 *
 * <h2>What must hold</h2>
 *
 * Nothing here is needed to read guest data: a broken refcount table costs at most a less exact
 * map.
 */
@NullMarked
package org.qcowfs.engine.qcow2.refcount;

import org.jspecify.annotations.NullMarked;
