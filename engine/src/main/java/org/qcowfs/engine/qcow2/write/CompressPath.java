package org.qcowfs.engine.qcow2.write;

import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.qcow2.cache.Slice;
import org.qcowfs.engine.qcow2.format.Geometry;

/**
 * Stores compressed clusters, packed byte to byte into host clusters (spec: "Compressed Clusters
 * Descriptor").
 *
 * <p><b>Thread safety:</b> safe.
 */
final class CompressPath {
  private final Clusters clusters;
  private final FlushPath flushPath;

  CompressPath(Clusters clusters, FlushPath flushPath) {
    this.clusters = clusters;
    this.flushPath = flushPath;
  }

  /** As {@link org.qcowfs.engine.layer.Compressing#writeCompressed}. */
  void write(long guestOffset, DataBuffer src, int position, int length) throws ImageException {
    if (clusters.externalData) {
      throw new ImageException(
          ErrorKind.UNSUPPORTED,
          clusters.file.path(),
          "An image with an external data file cannot hold compressed clusters");
    }
    if (length <= 0
        || length >= clusters.clusterSize
        || clusters.geometry.inCluster(guestOffset) != 0) {
      throw new IllegalArgumentException(
          length + " compressed bytes for guest offset " + guestOffset);
    }
    RangeLocks.Range range = clusters.lock(guestOffset, clusters.clusterSize, true);
    try {
      clusters.ownL2Table(guestOffset);
      long host = clusters.allocateBytes(guestOffset, length);
      boolean linked = false;
      try {
        clusters.checkWrite(host, length);
        clusters.file.write(host, src, position, length);
        link(guestOffset, clusters.geometry.descriptor(host, length));
        linked = true;
      } finally {
        if (!linked) {
          clusters.releaseBytes(host, length);
        }
      }
    } finally {
      clusters.ranges.unlock(range);
    }
    flushPath.flushIfLarge();
  }

  private void link(long guestOffset, long descriptor) throws ImageException {
    clusters.metadataLock.lock();
    try {
      Slice slice = clusters.tables.l2SliceAt(guestOffset);
      int i = clusters.tables.wordIndex(guestOffset);
      long old = slice.word(i);
      clusters.checkEntry(old, guestOffset);
      if (clusters.geometry.extendedL2()) {
        clusters.tables.setEntry(slice, i, descriptor | Geometry.COMPRESSED, 0);
      } else {
        clusters.tables.setWord(slice, i, descriptor | Geometry.COMPRESSED);
      }
      clusters.letGo(old);
    } finally {
      clusters.metadataLock.unlock();
    }
  }
}
