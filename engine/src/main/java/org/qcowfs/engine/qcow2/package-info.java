/**
 * Internal. The qcow2 format.
 *
 * <h2>How it works</h2>
 *
 * {@link org.qcowfs.engine.qcow2.Qcow2Opener} reads and judges the header and wires the parts;
 * {@link org.qcowfs.engine.qcow2.Qcow2Layer} is the disk, {@link
 * org.qcowfs.engine.qcow2.SnapshotLayer} the disk at a snapshot. A read goes {@code Qcow2Layer.map}
 * -> {@code mapping.DiskTable} (L1, L2, cache) -> {@code mapping.L2Decoder}; the bytes are then
 * read by the caller from the host file the answer names, or by {@code compress.CompressedReader}.
 *
 * <h2>What must hold</h2>
 *
 * Source of the format: the qcow2 specification (docs/interop/qcow2.txt of QEMU). Damage is local:
 * what cannot be understood is an error for the guest range it covers, never zeroes, never other
 * bytes.
 */
@NullMarked
package org.qcowfs.engine.qcow2;

import org.jspecify.annotations.NullMarked;
