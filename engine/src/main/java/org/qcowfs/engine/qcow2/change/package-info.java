/**
 * Internal. Changes of a whole image that nobody has open: its size, its backing file, its
 * features, its bitmaps, or all of its content at once.
 *
 * <h2>What this is</h2>
 *
 * What stands behind {@code resize}, {@code rebase}, {@code amend}, {@code bitmap} and the emptying
 * that ends {@code commit}. Guest data is not written here but through {@link
 * org.qcowfs.engine.qcow2.write}.
 *
 * <h2>How it works</h2>
 *
 * An {@link org.qcowfs.engine.qcow2.change.ImageEdit} holds the refcounts and allocates clusters.
 * The new structures (an L1 table, the L2 tables that differ, a bitmap directory, other refcount
 * blocks) are written to clusters that nothing names yet. One write of the header's first sector
 * puts them in force, and what only the old ones named is given back afterwards.
 *
 * <pre>
 *   allocate -> write -> refcounts -> sync -> header -> sync -> give back -> cut the file
 * </pre>
 *
 * What does not fit in the first sector (a long backing file name, the feature names) is put where
 * the present header does not look, before the switch: {@link
 * org.qcowfs.engine.qcow2.change.HeaderSwitch}.
 *
 * <h2>What must hold</h2>
 *
 * <ul>
 *   <li>Rules W1 to W8 of {@link org.qcowfs.engine.qcow2.write}. A crash at any point leaves the
 *       image as it was or as it was to be, with leaked clusters at most.
 *   <li>A change that fails before the header is written gives back what it allocated.
 *   <li>What the change does not speak of stays: unknown header extensions, unknown header fields,
 *       the order of extensions.
 * </ul>
 */
@NullMarked
package org.qcowfs.engine.qcow2.change;

import org.jspecify.annotations.NullMarked;
