/**
 * What every integration test stands on: the real tools, scratch images, real mounts.
 *
 * <h2>What this is</h2>
 *
 * {@link org.qcowfs.it.support.QemuImg} and {@link org.qcowfs.it.support.QemuIo} are the oracles
 * and the makers of images; {@link org.qcowfs.it.support.CliRun} runs the program under test,
 * {@link org.qcowfs.it.support.Mounted} holds a real mount of it; {@link
 * org.qcowfs.it.support.HoleMap} is the data and the holes of one disk, whichever side tells of
 * them.
 *
 * <h2>What must hold</h2>
 *
 * A missing tool or right is a failure, never a skipped test. Whatever is mounted, attached or
 * started is undone by {@code close()}, also after a failure.
 */
@NullMarked
package org.qcowfs.it.support;

import org.jspecify.annotations.NullMarked;
