/**
 * The command line's grammar: what may follow a command and what it means.
 *
 * <h2>How it works</h2>
 *
 * A command describes itself by a {@link org.qcowfs.cli.option.Synopsis}; {@link
 * org.qcowfs.cli.option.Arguments} parses by it and the help is made from it, so the two cannot
 * disagree.
 *
 * <h2>What must hold</h2>
 *
 * Every message is one line, in qemu-img's words where qemu-img has the case.
 */
@NullMarked
package org.qcowfs.cli.option;

import org.jspecify.annotations.NullMarked;
