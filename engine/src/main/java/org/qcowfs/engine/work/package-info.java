/**
 * Internal. Work on a disk that several threads share.
 *
 * <h2>What must hold</h2>
 *
 * Whoever starts threads over an image waits for them before anything else happens to it, also if
 * it is interrupted itself: a file that is closed under a thread could be another one's next.
 */
@NullMarked
package org.qcowfs.engine.work;

import org.jspecify.annotations.NullMarked;
