/**
 * One class per command.
 *
 * <h2>How it works</h2>
 *
 * Each is an annotated picocli command with a no-argument constructor; {@code Commands} makes the
 * one that was asked for.
 *
 * <h2>What must hold</h2>
 *
 * A command throws {@code ImageException} or {@code CommandException} for what a user can cause,
 * and returns its exit code.
 */
@NullMarked
package org.qcowfs.cli.command;

import org.jspecify.annotations.NullMarked;
