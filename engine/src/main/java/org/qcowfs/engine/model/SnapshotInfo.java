package org.qcowfs.engine.model;

/**
 * One internal snapshot as the snapshot table records it.
 *
 * @param index position in the table, from 0
 * @param id the id string, usually a small number
 * @param name the tag, as UTF-8 with malformed bytes replaced; may hold any character, so escape it
 *     before showing it and sanitise it before making a file name of it
 * @param dateSeconds creation time, seconds since the epoch
 * @param dateNanos nanoseconds within that second
 * @param vmClockNanos guest run time in nanoseconds
 * @param vmStateSize bytes of virtual-machine state, 0 for none
 * @param diskSize guest disk size in bytes at the time of the snapshot
 * @param icount guest instruction count, -1 where not recorded
 * @param l1Offset host offset of the snapshot's L1 table
 * @param l1Entries entries of that table
 */
public record SnapshotInfo(
    int index,
    String id,
    String name,
    long dateSeconds,
    int dateNanos,
    long vmClockNanos,
    long vmStateSize,
    long diskSize,
    long icount,
    long l1Offset,
    int l1Entries) {

  /** The same snapshot at another place in the table. */
  public SnapshotInfo withIndex(int place) {
    return new SnapshotInfo(
        place,
        id,
        name,
        dateSeconds,
        dateNanos,
        vmClockNanos,
        vmStateSize,
        diskSize,
        icount,
        l1Offset,
        l1Entries);
  }
}
