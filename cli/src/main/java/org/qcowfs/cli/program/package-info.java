/**
 * What all commands share: the program's name and version, its streams, and the two ways a command
 * says that it cannot go on.
 *
 * <h2>What must hold</h2>
 *
 * Nothing here knows a command or an option.
 */
@NullMarked
package org.qcowfs.cli.program;

import org.jspecify.annotations.NullMarked;
