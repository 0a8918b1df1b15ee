/**
 * Internal. Opening a backing chain.
 *
 * <h2>How it works</h2>
 *
 * {@link org.qcowfs.engine.chain.ChainOpener} follows the recorded references from the top image
 * down, each through the policy for implicit opens, and stops at a loop or at too deep a chain.
 *
 * <h2>What must hold</h2>
 *
 * Only regular files and block devices are opened, only by plain path; a recorded format is never
 * probed over; a missing one is never taken as raw when the file has another format's magic.
 */
@NullMarked
package org.qcowfs.engine.chain;

import org.jspecify.annotations.NullMarked;
