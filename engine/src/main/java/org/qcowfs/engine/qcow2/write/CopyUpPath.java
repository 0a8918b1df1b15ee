package org.qcowfs.engine.qcow2.write;

import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.Zeroes;
import org.qcowfs.engine.layer.Mapping;
import org.qcowfs.engine.qcow2.mapping.DiskTable;

/**
 * Stores what was read from the layers below, where the active disk still has nothing.
 *
 * <p>The bytes were read with nothing locked. They are right nevertheless wherever an entry still
 * says nothing once its range is locked: above a backing file no request takes an entry back to
 * that state (what is discarded becomes zero), so the bytes came from below, which does not change.
 *
 * <p><b>Thread safety:</b> safe.
 */
final class CopyUpPath {
  /** Room that is left to the writes of guests, and to the metadata they need at the next flush. */
  static final long HEADROOM = 64 << 20;

  private static final ThreadLocal<Mapping> MAPPING = ThreadLocal.withInitial(Mapping::new);

  private final Clusters clusters;
  private final WritePath writePath;
  private final ZeroPath zeroPath;
  private final DiskTable reading;
  private final FlushPath flushPath;
  private final int unit;

  CopyUpPath(
      Clusters clusters,
      WritePath writePath,
      ZeroPath zeroPath,
      DiskTable reading,
      FlushPath flushPath) {
    this.clusters = clusters;
    this.writePath = writePath;
    this.zeroPath = zeroPath;
    this.reading = reading;
    this.flushPath = flushPath;
    this.unit = 1 << clusters.geometry.unitBits();
  }

  /** As {@link org.qcowfs.engine.layer.CopyUp#copyUp}. */
  void copyUp(long guestOffset, DataBuffer src, int position, int length) throws ImageException {
    long available = clusters.dataFile.availableBytes();
    if (available < HEADROOM + length) {
      throw new ImageException(
          ErrorKind.NO_SPACE,
          clusters.dataFile.path(),
          String.format(
              "its file system has %d MiB left; the last %d are kept for what is written",
              available >> 20, HEADROOM >> 20));
    }
    RangeLocks.Range range = clusters.lock(guestOffset, length, true);
    try {
      Mapping mapping = MAPPING.get();
      for (int done = 0; done < length; ) {
        reading.map(guestOffset + done, length - done, mapping);
        int n = (int) mapping.length();
        if (mapping.kind() == Mapping.Kind.UNALLOCATED) {
          store(guestOffset + done, src, position + done, n);
        }
        done += n;
      }
    } finally {
      clusters.ranges.unlock(range);
    }
    flushPath.flushIfLarge();
  }

  /** Stores units that have nothing yet; the range is locked exclusively. */
  private void store(long guestOffset, DataBuffer src, int position, int length)
      throws ImageException {
    for (int done = 0; done < length; ) {
      int run = Zeroes.run(src, position + done, length - done, unit);
      long at = guestOffset + done;
      if (run < 0 && clusters.header.version() >= 3) {
        zeroPath.markZero(at, -run);
      } else if (run > 0 || !clusters.visible.readsAsZero(at, -run)) {
        // Version 2 cannot say "zero" above a backing file; what the maps below call zero stays
        // their business.
        writePath.writeAny(at, src, position + done, Math.abs(run));
      }
      done += Math.abs(run);
    }
  }
}
