/**
 * The images the tests read: every feature of qcow2, made by qemu-img and qemu-io.
 *
 * <h2>What this is</h2>
 *
 * A {@link org.qcowfs.it.corpus.Recipe} makes one image, {@code disk.qcow2}, with whatever it
 * stands on, in a folder of its own. {@link org.qcowfs.it.corpus.Corpus} makes them all once and
 * keeps them, until a recipe changes. {@link org.qcowfs.it.corpus.Oracle} asks QEMU what each
 * image's disk, snapshots and layers hold, and keeps the answers beside them.
 *
 * <h2>How it works</h2>
 *
 * To add an image, add a line to the {@code *Recipes} class of its topic: every test that runs over
 * the corpus picks it up.
 *
 * <h2>What must hold</h2>
 *
 * Recipes are deterministic and quick (well under a second), images small. Nothing here reads an
 * image with the code under test.
 */
@NullMarked
package org.qcowfs.it.corpus;

import org.jspecify.annotations.NullMarked;
