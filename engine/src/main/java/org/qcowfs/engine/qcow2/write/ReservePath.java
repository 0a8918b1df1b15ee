package org.qcowfs.engine.qcow2.write;

import java.util.concurrent.locks.ReentrantLock;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.layer.WritableLayer.GuestReader;
import org.qcowfs.engine.qcow2.cache.Slice;
import org.qcowfs.engine.qcow2.format.Geometry;
import org.qcowfs.engine.qcow2.format.Header;

/**
 * Reserves host clusters for guest ranges without changing what they read as.
 *
 * <p><b>Thread safety:</b> safe.
 */
final class ReservePath {
  private final Clusters clusters;
  private final HostFile dataFile;
  private final boolean externalData;
  private final Header header;
  private final Geometry geometry;
  private final long clusterSize;
  private final GuestReader visible;
  private final ActiveTables tables;
  private final ReentrantLock metadataLock;
  private final WritePath writePath;
  private final FlushPath flushPath;

  ReservePath(Clusters clusters, WritePath writePath, FlushPath flushPath) {
    this.clusters = clusters;
    this.dataFile = clusters.dataFile;
    this.externalData = clusters.externalData;
    this.header = clusters.header;
    this.geometry = clusters.geometry;
    this.clusterSize = clusters.clusterSize;
    this.visible = clusters.visible;
    this.tables = clusters.tables;
    this.metadataLock = clusters.metadataLock;
    this.writePath = writePath;
    this.flushPath = flushPath;
  }

  /** As {@link org.qcowfs.engine.layer.WritableLayer#allocate}. */
  void reserve(long guestOffset, long length) throws ImageException {
    long end = guestOffset + length;
    for (long at = guestOffset & -clusterSize; at < end; at += clusterSize) {
      RangeLocks.Range range = clusters.lock(at, clusterSize, true);
      try {
        allocateCluster(at);
      } finally {
        clusters.ranges.unlock(range);
      }
      flushPath.flushIfLarge();
    }
  }

  private void allocateCluster(long guestOffset) throws ImageException {
    clusters.ownL2Table(guestOffset);
    int i = tables.wordIndex(guestOffset);
    long old = clusters.slice(guestOffset).word(i);
    clusters.checkEntry(old, guestOffset);
    if (!clusters.needsCluster(old)) {
      return;
    }
    int inside = (int) Math.min(clusterSize, header.size() - guestOffset);
    boolean zero =
        (old & Geometry.COMPRESSED) == 0
            && header.version() >= 3
            && (geometry.extendedL2()
                ? !clusters.hasHost(old)
                : visible.readsAsZero(guestOffset, inside));
    if (!zero) {
      // The bytes are elsewhere: writing them back gives them a cluster of their own.
      DataBuffer bytes = DataBuffer.allocate(inside);
      visible.read(guestOffset, bytes, 0, inside);
      writePath.writeAny(guestOffset, bytes, 0, inside);
      return;
    }
    long host = externalData ? guestOffset : clusters.allocate(guestOffset, 1).hostOffset();
    boolean linked = false;
    try {
      dataFile.allocate(host, clusters.fillBound(host + clusterSize) - host);
      metadataLock.lock();
      try {
        Slice slice = tables.l2SliceAt(guestOffset);
        tables.setWord(
            slice, i, host | Geometry.COPIED | (geometry.extendedL2() ? 0 : Geometry.ZERO));
        clusters.letGo(old);
        linked = true;
      } finally {
        metadataLock.unlock();
      }
    } finally {
      if (!linked && !externalData) {
        clusters.release(host, 1);
      }
    }
  }
}
