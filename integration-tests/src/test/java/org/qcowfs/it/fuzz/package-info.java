/**
 * The fuzzer of whole images: valid images of random features, damaged structure by structure, and
 * everything the program can do is done to them.
 *
 * <h2>How it works</h2>
 *
 * {@link org.qcowfs.it.fuzz.Disks} makes healthy images once. For each seed {@link
 * org.qcowfs.it.fuzz.Mutation} changes fields of one of them to boundary values, and {@link
 * org.qcowfs.it.fuzz.FuzzCase} describes, reads, checks, mounts and writes what came of it, all in
 * one small JVM that {@link org.qcowfs.it.fuzz.FuzzRun} watches. Of some, QEMU's check is asked
 * before and after. {@code integration-tests/fuzz} runs it for as long as one likes, {@code FuzzIT}
 * for a while in every test run.
 *
 * <h2>What must hold</h2>
 *
 * Nothing is thrown but the program's own exceptions; nothing takes longer than the watchdog; the
 * heap stays as small as it was made; every sector read is one of the image's own files, as it lies
 * there; what is opened for reading is not changed; an image that a check finds sound is sound
 * after writing, and reads back what was written; no output holds a character that a terminal
 * obeys. Each failure names its seed, which repeats it.
 */
@NullMarked
package org.qcowfs.it.fuzz;

import org.jspecify.annotations.NullMarked;
