/**
 * Plain values the engine takes and gives: what to open and how, what an image says of itself.
 *
 * <h2>What must hold</h2>
 *
 * Records without behaviour beyond their own consistency; no I/O.
 */
@NullMarked
package org.qcowfs.engine.model;

import org.jspecify.annotations.NullMarked;
