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
 * <h2>Which test has which row</h2>
 *
 * <pre>
 *  row       bad input                           reading                      writing
 *  1 - 9     header fields, table places, sizes  RefusedIT                    RefusedIT (both ways)
 *  5, 6, 14  odd sizes and lengths               ToleratedIT                  WrittenDamageIT
 *  10        refcount blocks                     ToleratedIT                  WrittenDamageIT
 *  11, 12    snapshot table, names               SnapshotDamageIT,            WrittenDamageIT
 *                                                HostileNamesIT
 *  13        a snapshot's L1 table               SnapshotDamageIT             WrittenDamageIT
 *  14        backing name's place                RefusedIT                    RefusedIT
 *  15 - 18   loops, names, formats, data files   ImplicitOpenIT               the same opening
 *  19, 38    formats that are not supported      -                            -
 *  20        unknown incompatible bits           RefusedIT                    RefusedIT
 *  21, 22    other unknown bits                  ToleratedIT                  WrittenDamageIT
 *  23        bitmaps                             ToleratedIT                  WrittenDamageIT
 *  24, 25    marked corrupt, marked dirty        ToleratedIT                  WrittenDamageIT, DirtyImageIT
 *  26        compression type                    RefusedIT                    RefusedIT
 *  27, 28    L2 and L1 entries                   LocalDamageIT                WrittenDamageIT,
 *                                                                             CorruptWhileWrittenIT
 *  29        COPIED flags                        ToleratedIT                  WrittenDamageIT
 *  30        extended L2 entries                 LocalDamageIT                WrittenDamageIT
 *  31        compressed clusters                 LocalDamageIT                WrittenDamageIT
 *  32        refcount widths, overflow           ToleratedIT                  RefcountWidthIT, ModelIT,
 *                                                                             CompressedNeighboursIT
 *  33        header extensions                   RefusedIT, ToleratedIT       RefusedIT
 *  34        encryption                          RefusedIT (no key is ever derived: nothing to bound)
 *  35        a file cut, failing, full           MountedDamageIT              FaultIT
 *  36        metadata in holes                   ToleratedIT                  WrittenDamageIT
 *  37        huge disks in tiny files            HugeDiskIT                   HugeDiskIT
 *  39        bombs across files                  SandboxIT                    FuzzIT (all rows at random)
 * </pre>
 *
 * <h2>What must hold</h2>
 *
 * No answer takes longer than a second (the time of the call in a running JVM, so without its
 * start), nor more memory than the tests' bounds, which lie far below what the fields ask for;
 * nothing but {@code ImageException} is thrown; a refused file is byte for byte what it was; a
 * damaged range never reads as zeroes or as other bytes.
 */
@NullMarked
package org.qcowfs.it.damaged;

import org.jspecify.annotations.NullMarked;
