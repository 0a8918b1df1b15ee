/**
 * Damaged and hostile images: what must be refused is refused at once, with a message that names
 * the field, and without touching a file; what is damaged in part reads everywhere else.
 *
 * <h2>How it works</h2>
 *
 * {@link org.qcowfs.it.damaged.Seed} makes healthy images whose every sector is different, so that
 * a byte from the wrong place shows. Each case patches one and says what must come of it. Every
 * case begins with the number of the row it covers in the project's list of bad inputs (R1 to R39).
 *
 * <h2>What must hold</h2>
 *
 * No answer takes longer than the watchdog; nothing but {@code ImageException} is thrown; a damaged
 * range never reads as zeroes or as other bytes.
 */
@NullMarked
package org.qcowfs.it.damaged;

import org.jspecify.annotations.NullMarked;
