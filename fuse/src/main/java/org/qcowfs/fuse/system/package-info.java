/**
 * Mounts as the system sees them: the kernel's table, who uses a mount, how to take one down.
 *
 * <h2>How it works</h2>
 *
 * {@link org.qcowfs.fuse.system.MountTable} reads {@code /proc/self/mountinfo}; {@link
 * org.qcowfs.fuse.system.MountRecords} keeps one small file per serving process, because the kernel
 * does not tell which process serves a mount.
 *
 * <h2>What must hold</h2>
 *
 * Nothing here asks a mounted file system anything but in {@link
 * org.qcowfs.fuse.system.Unmount#isDead}: a file system that hangs must not hang the command that
 * takes it down.
 */
@NullMarked
package org.qcowfs.fuse.system;

import org.jspecify.annotations.NullMarked;
