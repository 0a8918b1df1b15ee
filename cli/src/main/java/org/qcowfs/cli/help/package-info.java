/**
 * Help, completion and manual page, all from the descriptions the commands give of themselves.
 *
 * <h2>What must hold</h2>
 *
 * Nothing here is loaded unless help is asked for, and nothing here knows which commands there are:
 * it is handed their descriptions.
 */
@NullMarked
package org.qcowfs.cli.help;

import org.jspecify.annotations.NullMarked;
