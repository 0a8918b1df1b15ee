/**
 * Internal. The qcow2 format on disk: layouts, limits, and what the bits mean. Pure: no I/O, no
 * locks.
 *
 * <h2>How it works</h2>
 *
 * {@link org.qcowfs.engine.qcow2.format.HeaderCodec} turns bytes into a {@link
 * org.qcowfs.engine.qcow2.format.Header} without judging them; {@link
 * org.qcowfs.engine.qcow2.format.HeaderValidator} holds every rule; {@link
 * org.qcowfs.engine.qcow2.format.Geometry} holds every shift and mask derived from a valid header.
 *
 * <h2>What must hold</h2>
 *
 * Source: the qcow2 specification (docs/interop/qcow2.txt of QEMU); limits that the specification
 * leaves open are QEMU's, named in {@link org.qcowfs.engine.qcow2.format.FormatLimits}.
 */
@NullMarked
package org.qcowfs.engine.qcow2.format;

import org.jspecify.annotations.NullMarked;
