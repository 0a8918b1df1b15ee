/**
 * One class per command.
 *
 * <h2>How it works</h2>
 *
 * Each describes itself by a picocli {@code CommandSpec} and reads what it was given out of the
 * {@code ParseResult}; {@code Commands} makes the one that was asked for. The description is built
 * by hand: annotations would cost each start 16 to 40 ms more.
 *
 * <h2>What must hold</h2>
 *
 * A command throws {@code ImageException} or {@code CommandException} for what a user can cause,
 * and returns its exit code.
 */
@NullMarked
package org.qcowfs.cli.command;

import org.jspecify.annotations.NullMarked;
