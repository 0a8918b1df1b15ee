/**
 * The one checked exception of the engine and its stable kinds.
 *
 * <h2>What this is</h2>
 *
 * {@link org.qcowfs.engine.error.ImageException} carries the file, a {@link
 * org.qcowfs.engine.error.ErrorKind} and one line that names the structure, the value and what was
 * expected.
 *
 * <h2>What must hold</h2>
 *
 * A message is one line; text that came out of an image is escaped before it enters a message.
 */
@NullMarked
package org.qcowfs.engine.error;

import org.jspecify.annotations.NullMarked;
