/**
 * The command line and the launcher, run as a user runs them.
 *
 * <h2>How it works</h2>
 *
 * {@link org.qcowfs.it.cli.Cli} runs the launcher at the top of the project with the Java of this
 * test, under the name {@code qcowfs} or, through a symbolic link, {@code qemu-img}; what it prints
 * is compared with what the real qemu-img prints.
 */
@NullMarked
package org.qcowfs.it.cli;

import org.jspecify.annotations.NullMarked;
