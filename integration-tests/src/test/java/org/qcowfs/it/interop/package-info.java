/**
 * Reads what QEMU makes and compares every byte and every hole with what QEMU says of it, through
 * the engine and through a real mount.
 */
@NullMarked
package org.qcowfs.it.interop;

import org.jspecify.annotations.NullMarked;
