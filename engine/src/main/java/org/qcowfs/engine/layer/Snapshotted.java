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
}
