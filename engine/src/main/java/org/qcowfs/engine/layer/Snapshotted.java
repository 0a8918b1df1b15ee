package org.qcowfs.engine.layer;

import java.util.List;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.model.SnapshotInfo;

/** A layer with internal snapshots. */
public interface Snapshotted {
  /** The snapshots in table order. */
  List<SnapshotInfo> snapshots();

  /**
   * The disk as it was at a snapshot, as a read-only layer over the same file; nothing is read
   * before its first use. Closing it does nothing.
   *
   * @throws ImageException kind {@code CORRUPT} if the snapshot's L1 table cannot be used
   */
  Layer snapshot(SnapshotInfo snapshot) throws ImageException;

  /**
   * The snapshot's virtual-machine state as a read-only layer of {@link SnapshotInfo#vmStateSize()}
   * bytes.
   *
   * @throws ImageException kind {@code CORRUPT} if the snapshot's L1 table cannot be used
   */
  Layer vmState(SnapshotInfo snapshot) throws ImageException;

  /** A layer opened for writing whose snapshots can be changed. */
  interface Writable extends Snapshotted {
    /**
     * Makes a snapshot of the disk as it is at this instant, atomically.
     *
     * @param name its tag; its id is the next number
     * @throws ImageException kind {@code NO_SPACE} where a refcount cannot go up, or as for a
     *     write; the image is then as it was
     */
    SnapshotInfo createSnapshot(String name) throws ImageException;

    /**
     * Deletes a snapshot, atomically; no view of it may be in use.
     *
     * @throws ImageException as for a write; the image is then as it was
     */
    void deleteSnapshot(SnapshotInfo snapshot) throws ImageException;

    /**
     * Makes the disk what it was at a snapshot, atomically, its size included; the image must be
     * opened again to be read.
     *
     * @throws ImageException as for a write; the image is then as it was
     */
    void applySnapshot(SnapshotInfo snapshot) throws ImageException;
  }
}
