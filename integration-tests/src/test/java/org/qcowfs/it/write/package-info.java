/**
 * Writing through a mount, as programs do it.
 *
 * <h2>What this is</h2>
 *
 * {@link org.qcowfs.it.write.Exerciser} does random work on one file by every way the kernel has,
 * against a model in memory; it is a program of its own ({@code integration-tests/exerciser}) and
 * what tests of writable mounts run.
 */
@NullMarked
package org.qcowfs.it.write;

import org.jspecify.annotations.NullMarked;
