/**
 * What changes an existing image as a whole: {@link org.qcowfs.engine.change.Resize}, {@link
 * org.qcowfs.engine.change.Commit}, {@link org.qcowfs.engine.change.Rebase}, {@link
 * org.qcowfs.engine.change.Amend}, {@link org.qcowfs.engine.change.Bitmaps}.
 *
 * <h2>How it works</h2>
 *
 * Each opens the image itself, for writing and with QEMU's locks, does one thing and closes it. How
 * a qcow2 file is changed is {@code org.qcowfs.engine.qcow2.change}'s matter.
 *
 * <pre>{@code
 * Rebase.Request onto = new Rebase.Request("base.qcow2", "qcow2", false);
 * Rebase.run("vm.qcow2", OpenOptions.readOnly(), onto, Progress.NONE);
 * }</pre>
 *
 * <h2>What must hold</h2>
 *
 * A crash at any point leaves each image as it was or as it was to be, with leaks at most; a commit
 * or safe rebase that is cut short leaves the guest's view of every image as it was.
 */
@NullMarked
package org.qcowfs.engine.change;

import org.jspecify.annotations.NullMarked;
