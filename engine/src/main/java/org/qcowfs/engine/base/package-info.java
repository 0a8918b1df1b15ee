/**
 * What is done about layers below the top that are far away: keeping a copy of what was read, and
 * of everything before it is read.
 *
 * <h2>How it works</h2>
 *
 * {@link org.qcowfs.engine.base.CopyOnRead} stands in the way of a read where the top layer has
 * nothing: it reads whole units from the layers below and gives them to the top layer, which keeps
 * what it still lacks ({@link org.qcowfs.engine.layer.CopyUp}). {@link
 * org.qcowfs.engine.base.Prefetch} reads everything that way, in the background. {@link
 * org.qcowfs.engine.base.ReadAhead} has the host fetch what a sequential reader of a slow file
 * wants next. {@link org.qcowfs.engine.base.BaseRecord} remembers which files an overlay was put
 * on.
 *
 * <h2>What must hold</h2>
 *
 * No lock is held while a layer below is read: a base that hangs holds up who reads it and nobody
 * else. Nothing here makes a read fail that would have succeeded.
 */
@NullMarked
package org.qcowfs.engine.base;

import org.jspecify.annotations.NullMarked;
