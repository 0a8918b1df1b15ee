/**
 * The command line's grammar: what may follow a command and what it means.
 *
 * <h2>How it works</h2>
 *
 * {@link org.qcowfs.cli.option.Parser} gives picocli the habits of qemu-img's own parser; {@link
 * org.qcowfs.cli.option.Options} makes the few shapes of option there are and reads their values. A
 * command's {@code CommandSpec} is made once per run: parser and help go by it, so the two cannot
 * disagree.
 *
 * <h2>What must hold</h2>
 *
 * Every message is one line, in qemu-img's words where qemu-img has the case.
 */
@NullMarked
package org.qcowfs.cli.option;

import org.jspecify.annotations.NullMarked;
