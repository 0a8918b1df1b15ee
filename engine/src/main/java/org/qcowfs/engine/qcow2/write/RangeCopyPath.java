package org.qcowfs.engine.qcow2.write;

import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.cache.Slice;

/**
 * Has new clusters share the blocks of another host file, before anything names them.
 *
 * <p><b>Thread safety:</b> safe.
 */
final class RangeCopyPath {
  private final Clusters clusters;
  private final WritePath writePath;
  private final FlushPath flushPath;
  private final long clusterSize;

  RangeCopyPath(Clusters clusters, WritePath writePath, FlushPath flushPath) {
    this.clusters = clusters;
    this.writePath = writePath;
    this.flushPath = flushPath;
    this.clusterSize = clusters.clusterSize;
  }

  /** As {@link org.qcowfs.engine.layer.RangeCopy#copyRange}. */
  long copy(long guestOffset, HostFile source, long hostOffset, long length) throws ImageException {
    if (clusters.geometry.inCluster(guestOffset) != 0 || clusters.geometry.inCluster(length) != 0) {
      throw new IllegalArgumentException(length + " bytes for guest offset " + guestOffset);
    }
    long done = 0;
    RangeLocks.Range range = clusters.lock(guestOffset, length, true);
    try {
      while (done < length) {
        long at = guestOffset + done;
        long run =
            clusters.externalData ? 0 : copyNew(at, source, hostOffset + done, length - done);
        if (run == 0) {
          break;
        }
        done += run;
      }
    } finally {
      clusters.ranges.unlock(range);
    }
    flushPath.flushIfLarge();
    return done;
  }

  /** Copies as many clusters as can be allocated and linked together; 0 for none. */
  private long copyNew(long guestOffset, HostFile source, long hostOffset, long length)
      throws ImageException {
    clusters.ownL2Table(guestOffset);
    Slice slice = clusters.slice(guestOffset);
    int i = clusters.tables.wordIndex(guestOffset);
    long wanted = clusters.withoutCluster(slice, i, length / clusterSize);
    if (wanted == 0) {
      return 0;
    }
    Clusters.Allocation allocation = clusters.allocate(guestOffset, wanted);
    long host = allocation.hostOffset();
    long bytes = allocation.clusters() * clusterSize;
    boolean linked = false;
    try {
      clusters.checkWrite(host, bytes);
      if (!clusters.dataFile.cloneFrom(source, hostOffset, host, bytes)) {
        return 0;
      }
      writePath.link(i, host, guestOffset, (int) bytes);
      linked = true;
    } finally {
      if (!linked) {
        clusters.release(host, allocation.clusters());
      }
    }
    return bytes;
  }
}
