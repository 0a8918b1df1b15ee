/**
 * The commands that change an existing image: {@code resize}, {@code commit}, {@code rebase},
 * {@code amend}, {@code bitmap}.
 *
 * <h2>How it works</h2>
 *
 * Each takes qemu-img's options and says what qemu-img says; the work is {@code
 * org.qcowfs.engine.change}'s.
 */
@NullMarked
package org.qcowfs.cli.command.change;

import org.jspecify.annotations.NullMarked;
