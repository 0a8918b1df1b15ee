package org.qcowfs.it.corpus;

import java.util.List;
import java.util.Locale;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.model.SnapshotInfo;
import org.qcowfs.it.support.HoleMap;

/**
 * One flat disk that an image shows, and what QEMU says of it.
 *
 * @param kind the disk itself, a snapshot, or a layer of the chain
 * @param index of the snapshot in its table, or of the layer, 0 being the top
 * @param name the snapshot's name or the layer's file
 * @param size its size in bytes
 * @param extents where QEMU and the host see data
 * @param windows which ranges {@code sha256} is of: the whole disk unless it is too large for that
 * @param sha256 the hash of the windows one after the other
 */
public record View(
    Kind kind,
    int index,
    String name,
    long size,
    HoleMap extents,
    List<HoleMap.Stretch> windows,
    String sha256) {
  /** What a view is of. */
  public enum Kind {
    DISK,
    SNAPSHOT,
    LAYER
  }

  /** This view of {@code image}, opened with the engine. */
  public Image of(Image image) throws ImageException {
    return switch (kind) {
      case DISK -> image;
      case LAYER -> image.layer(index);
      case SNAPSHOT -> {
        List<SnapshotInfo> snapshots = image.snapshots();
        if (snapshots.size() <= index) {
          throw new AssertionError("no snapshot " + index + " in " + snapshots);
        }
        yield image.snapshot(snapshots.get(index));
      }
    };
  }

  /** A name for tests. */
  public String label() {
    return kind == Kind.DISK ? "disk" : kind.name().toLowerCase(Locale.ROOT) + " " + index;
  }
}
