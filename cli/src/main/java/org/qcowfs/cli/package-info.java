/**
 * The program: finds the command that was asked for, lets picocli parse what follows, runs it.
 *
 * <h2>How it works</h2>
 *
 * {@link org.qcowfs.cli.Main} makes the one {@link org.qcowfs.cli.command.Command} that was named;
 * its {@code CommandSpec} is the only description of its options: {@link
 * org.qcowfs.cli.option.Parser} parses by it, and help, completion and manual page are made from
 * it.
 *
 * <h2>What must hold</h2>
 *
 * Nothing but this package knows all commands; what needs them (help, completion, manual page) is
 * handed them. Arrows between the packages of the command line go one way.
 */
@NullMarked
package org.qcowfs.cli;

import org.jspecify.annotations.NullMarked;
