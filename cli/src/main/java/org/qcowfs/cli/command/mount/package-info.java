/**
 * {@code mount}, {@code umount}, {@code mounts} and {@code stats}.
 *
 * <h2>How it works</h2>
 *
 * {@link org.qcowfs.cli.command.mount.MountCommand} opens the image, starts an {@code ImageMount},
 * and waits for its end. In the background ({@link org.qcowfs.cli.command.mount.Background}) the
 * launcher returns when the mount answers.
 *
 * <h2>What must hold</h2>
 *
 * Every error up to the first answer of the mount reaches the terminal and the exit code. After
 * that only the log is left.
 */
@NullMarked
package org.qcowfs.cli.command.mount;

import org.jspecify.annotations.NullMarked;
