/**
 * Text for people, laid out as qemu-img does.
 *
 * <h2>What must hold</h2>
 *
 * Whatever came out of an image or is a file name passes {@link org.qcowfs.engine.error.Escape}: a
 * snapshot's name must not be able to write to the terminal.
 */
@NullMarked
package org.qcowfs.cli.render;

import org.jspecify.annotations.NullMarked;
