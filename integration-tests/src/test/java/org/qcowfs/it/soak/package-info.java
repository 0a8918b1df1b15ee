/**
 * A long run of everything a mount can be asked to do, to show that it stays right and stays small.
 *
 * <p>{@link org.qcowfs.it.soak.Soak} is the program; each of its {@link org.qcowfs.it.soak.Load}s
 * works on mounts of its own and verifies what it did. {@link org.qcowfs.it.soak.Figures} are taken
 * of the processes that live all the time.
 */
@NullMarked
package org.qcowfs.it.soak;

import org.jspecify.annotations.NullMarked;
