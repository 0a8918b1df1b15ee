/**
 * A real disk, from the partition table to the last file, through overlays and snapshots and back
 * out of the mount.
 */
@NullMarked
package org.qcowfs.it.realdisk;

import org.jspecify.annotations.NullMarked;
