/**
 * Whether an image's metadata can be trusted: what {@code qemu-img check} counts, as values.
 *
 * <h2>How it works</h2>
 *
 * {@link org.qcowfs.engine.qcow2.check.Checker} goes through everything the header reaches and
 * counts, in {@link org.qcowfs.engine.qcow2.check.ExpectedRefcounts}, how often each host cluster
 * is used; {@link org.qcowfs.engine.qcow2.check.TableWalk} does that for L1 and L2 tables. Then it
 * reads the refcount blocks once, in order ({@link org.qcowfs.engine.qcow2.check.StoredRefcounts}),
 * and compares. Each difference is a {@link org.qcowfs.engine.qcow2.check.Finding}, told at once
 * and not kept.
 *
 * <p>An L2 table that several snapshots share is read once, and counted as often as it is used. The
 * COPIED flags are noted beside each cluster's count, so they need no second pass: L2 tables are
 * read again only to name the entries once a flag is known to be wrong.
 *
 * <p>{@link org.qcowfs.engine.qcow2.check.Repair} frees leaked clusters in place ({@link
 * org.qcowfs.engine.qcow2.check.LeakRelease}). Everything else is made anew behind the end of the
 * file ({@link org.qcowfs.engine.qcow2.check.Rebuild}): L2 tables with a wrong entry ({@link
 * org.qcowfs.engine.qcow2.check.L2Mender}), L1 tables, the snapshot table, refcounts. A check of
 * the file as the new header would have it comes before that header is written.
 *
 * <h2>What must hold</h2>
 *
 * A repair changes no byte that the old header reaches but the header itself, and there one sector;
 * only refcounts of leaked clusters are set to 0 in place. What could be read reads the same
 * afterwards. A repair that refuses leaves the file as it was, its length included; a second repair
 * changes nothing.
 *
 * <p>* Memory is 2 bytes for each host cluster of a region of 65536 that anything refers to, plus a
 * constant; nothing is allocated by a field of the image beyond the limits its header is judged by.
 * What lies past the end of the file reads as zeroes and costs nothing.
 *
 * <h2>Where it differs from qemu-img check 7.2</h2>
 *
 * <table>
 * <caption>Each row is one that the differential test found; all other answers are equal</caption>
 * <tr><th>image</th><th>QEMU</th><th>here, and why</th></tr>
 * <tr><td>backing file or data file missing, of an unknown format, or in a loop</td><td>exit code
 *     1, or no end</td><td>checked: neither is needed to judge the metadata</td></tr>
 * <tr><td>active or snapshot L1 table far longer than the disk needs, over other data</td><td>no
 *     answer for minutes</td><td>the same counts: an L2 table is gone through once, and what is past
 *     the end of the file not at all</td></tr>
 * <tr><td>more than 4096 L2 tables at offsets that are not a cluster's</td><td>goes through
 *     all</td><td>goes through the first 4096: their content means nothing</td></tr>
 * <tr><td>the marker that ends the header extensions has a length</td><td>refused if it is
 *     large</td><td>ignored: it has no meaning</td></tr>
 * <tr><td>autoclear bit 1 (raw data file) without a data file</td><td>refused</td><td>checked: an
 *     autoclear bit never keeps an image from being read</td></tr>
 * <tr><td>AES or LUKS encryption</td><td>asks for the key</td><td>checked: metadata is not
 *     encrypted</td></tr>
 * <tr><td>names of snapshots with control characters</td><td>printed as they are</td><td>escaped in
 *     the message</td></tr>
 * </table>
 *
 * <h2>Where a repair differs from {@code qemu-img check -r all} 7.2</h2>
 *
 * <table>
 * <caption>All other images end as clean, or as little, as QEMU leaves them</caption>
 * <tr><th>image</th><th>QEMU</th><th>here, and why</th></tr>
 * <tr><td>snapshot table past the end of the file</td><td>puts one of nameless, empty snapshots in
 *     its place</td><td>reported and left: what it was may still be found</td></tr>
 * <tr><td>unknown autoclear bit, in an image with snapshots</td><td>the header that it writes has
 *     no snapshots any more</td><td>the bit is cleared, the snapshots stay</td></tr>
 * <tr><td>file cut off within a table, or at the active L1 table</td><td>repairs it, as if the
 *     missing part were zero</td><td>refused: the disk, or what is missing of it, would read as
 *     empty instead of with an error</td></tr>
 * <tr><td>references close behind the end of the file</td><td>writes new refcounts
 *     there</td><td>refused: the guest would read them</td></tr>
 * <tr><td>reserved bits in L1 and L2 entries, subclusters both allocated and zero, COPIED or a
 *     bitmap on compressed clusters</td><td>left, or turned to zero</td><td>mended: QEMU reads what
 *     the offset names, and that stays</td></tr>
 * <tr><td>more references than refcounts of 1 to 4 bits can say</td><td>left</td><td>each owner
 *     gets a copy</td></tr>
 * </table>
 */
@NullMarked
package org.qcowfs.engine.qcow2.check;

import org.jspecify.annotations.NullMarked;
