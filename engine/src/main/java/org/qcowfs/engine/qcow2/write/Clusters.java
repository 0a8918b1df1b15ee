package org.qcowfs.engine.qcow2.write;

import java.util.concurrent.locks.ReentrantLock;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.layer.WritableLayer.GuestReader;
import org.qcowfs.engine.qcow2.cache.Slice;
import org.qcowfs.engine.qcow2.format.Geometry;
import org.qcowfs.engine.qcow2.format.Header;
import org.qcowfs.engine.qcow2.mapping.MetadataGuard;
import org.qcowfs.engine.qcow2.refcount.HostSpace;
import org.qcowfs.engine.qcow2.refcount.MetadataMap;
import org.qcowfs.engine.qcow2.refcount.Refcounts;

/**
 * What the write, zero and preallocation paths share: what an L2 entry says about who owns a
 * cluster, and the allocation of clusters and L2 tables.
 *
 * <p><b>Thread safety:</b> safe; methods about an entry want its guest range locked.
 */
final class Clusters {
  final HostFile file;
  final HostFile dataFile;
  final boolean externalData;
  final Header header;
  final Geometry geometry;
  final long clusterSize;
  final boolean hasBacking;
  final GuestReader visible;
  final ActiveTables tables;
  final ReentrantLock metadataLock;
  final RangeLocks ranges;
  private final MetadataMap metadata;
  private final MetadataGuard guard;
  private final HostSpace space;
  private final Refcounts refcounts;
  private final PendingFrees frees;
  private final FlushPath flushPath;

  Clusters(
      HostFile file,
      HostFile dataFile,
      Header header,
      GuestReader visible,
      ActiveTables tables,
      ReentrantLock metadataLock,
      RangeLocks ranges,
      MetadataMap metadata,
      MetadataGuard guard,
      HostSpace space,
      Refcounts refcounts,
      PendingFrees frees,
      FlushPath flushPath) {
    this.file = file;
    this.dataFile = dataFile;
    this.externalData = file != dataFile;
    this.header = header;
    this.geometry = Geometry.of(header);
    this.clusterSize = geometry.clusterSize();
    this.hasBacking = header.backingName() != null;
    this.visible = visible;
    this.tables = tables;
    this.metadataLock = metadataLock;
    this.ranges = ranges;
    this.metadata = metadata;
    this.guard = guard;
    this.space = space;
    this.refcounts = refcounts;
    this.frees = frees;
    this.flushPath = flushPath;
  }

  /** Allocated clusters, of no use to anybody but the thread that asked. */
  record Allocation(long hostOffset, long clusters, boolean fresh) {}

  RangeLocks.Range lock(long guestOffset, long length, boolean exclusive) {
    return ranges.lock(
        guestOffset >>> geometry.clusterBits(),
        guestOffset + length - 1 >>> geometry.clusterBits(),
        exclusive);
  }

  /** Guest data goes neither over metadata nor behind what the file ever had. */
  void checkWrite(long hostOffset, long length) throws ImageException {
    if (externalData) {
      return;
    }
    if (hostOffset >= space.end()) {
      throw ImageException.unsafe(
          file.path(),
          String.format(
              "refused to write %d bytes of guest data at host offset 0x%x, past the end of the"
                  + " file (%d bytes)",
              length, hostOffset, file.length()));
    }
    metadata.checkWrite(hostOffset, length);
  }

  boolean hasHost(long word) {
    return (word & Geometry.OFFSET_MASK) != 0 || externalData && (word & Geometry.COPIED) != 0;
  }

  /** An entry that reads would refuse is not written through either. */
  void checkEntry(long word, long guestOffset) throws ImageException {
    if (!isSound(word)) {
      throw ImageException.unsafe(
          file.path(),
          String.format(
              "L2 entry of guest offset 0x%x is 0x%x, not writable; repair the image",
              guestOffset, word));
    }
  }

  boolean isSound(long word) {
    return (word & Geometry.COMPRESSED) != 0
        || (word & Geometry.L2_RESERVED) == 0
            && geometry.inCluster(word & Geometry.OFFSET_MASK) == 0;
  }

  /** The L2 slice of a guest offset whose L2 table exists. */
  Slice slice(long guestOffset) throws ImageException {
    Slice cached = tables.cachedL2(guestOffset);
    if (cached != null) {
      return cached;
    }
    metadataLock.lock();
    try {
      return tables.l2SliceAt(guestOffset);
    } finally {
      metadataLock.unlock();
    }
  }

  boolean needsCluster(long word) {
    return (word & Geometry.COMPRESSED) != 0 || (word & Geometry.COPIED) == 0 || !hasHost(word);
  }

  /** How many entries from word {@code i} of a slice on need a new cluster, one after the other. */
  long withoutCluster(Slice slice, int i, long most) {
    int step = 1 << geometry.l2EntryWordBits();
    long count = 0;
    for (int at = i; count < most && at < slice.count(); at += step) {
      long word = slice.word(at);
      if (!isSound(word) || !needsCluster(word)) {
        break;
      }
      count++;
    }
    return count;
  }

  /** Allocates clusters, at least one and at most {@code most}, for data from a guest offset on. */
  Allocation allocate(long guestOffset, long most) throws ImageException {
    while (true) {
      metadataLock.lock();
      try {
        requireInUse(tables.l1Entry(guestOffset) & Geometry.OFFSET_MASK);
        long host = refcounts.allocate(most);
        if (host != 0) {
          return new Allocation(host, refcounts.allocatedRun(), refcounts.allocatedFresh());
        }
      } finally {
        metadataLock.unlock();
      }
      growRefcountTable();
    }
  }

  /** Allocates bytes for a compressed cluster, next to the last ones where that goes. */
  long allocateBytes(long guestOffset, int bytes) throws ImageException {
    while (true) {
      metadataLock.lock();
      try {
        requireInUse(tables.l1Entry(guestOffset) & Geometry.OFFSET_MASK);
        long host = refcounts.allocateBytes(bytes);
        if (host != 0) {
          return host;
        }
      } finally {
        metadataLock.unlock();
      }
      growRefcountTable();
    }
  }

  /**
   * Where an L2 table counts as free, so may the data it names: nothing is allocated by such
   * refcounts.
   */
  private void requireInUse(long l2Table) throws ImageException {
    if (l2Table != 0 && refcounts.get(l2Table) == 0) {
      throw ImageException.unsafe(
          file.path(),
          String.format(
              "the refcount of the L2 table at host offset 0x%x is 0; repair the image", l2Table));
    }
  }

  /** Gives back bytes that were never linked. */
  void releaseBytes(long hostOffset, int bytes) throws ImageException {
    metadataLock.lock();
    try {
      refcounts.change(hostOffset, bytes, -1);
    } finally {
      metadataLock.unlock();
    }
  }

  private void growRefcountTable() throws ImageException {
    flushPath.lock().lock();
    try {
      metadataLock.lock();
      try {
        flushPath.checkState();
        refcounts.growTable();
        guard.refcountTableMoved(
            refcounts.stored().tableOffset(), refcounts.stored().tableEntries());
      } catch (ImageException e) {
        if (e.kind() == ErrorKind.FAILED) {
          flushPath.fail();
        }
        throw e;
      } finally {
        metadataLock.unlock();
      }
    } finally {
      flushPath.lock().unlock();
    }
  }

  /** Gives back clusters that were never linked. */
  void release(long hostOffset, long clusters) throws ImageException {
    metadataLock.lock();
    try {
      refcounts.change(hostOffset, clusters << geometry.clusterBits(), -1);
    } finally {
      metadataLock.unlock();
    }
  }

  /** The bits of the subclusters between two offsets in a cluster, both multiples. */
  long subclusters(long from, long to) {
    int first = (int) (from >>> geometry.subclusterBits());
    int count = (int) (to - from >>> geometry.subclusterBits());
    return ((1L << count) - 1) << first;
  }

  /** The reference an old entry held is gone from memory. */
  void letGo(long oldWord) {
    if ((oldWord & Geometry.COMPRESSED) != 0) {
      long descriptor = oldWord & ~(Geometry.COMPRESSED | Geometry.COPIED);
      frees.unlinked(geometry.compressedOffset(descriptor), geometry.compressedBytes(descriptor));
    } else if (!externalData && (oldWord & Geometry.OFFSET_MASK) != 0) {
      frees.unlinked(oldWord & Geometry.OFFSET_MASK, clusterSize);
    }
  }

  /** Makes sure that the L2 table of a guest offset exists and is ours alone. */
  void ownL2Table(long guestOffset) throws ImageException {
    if ((tables.l1Entry(guestOffset) & Geometry.COPIED) != 0) {
      return;
    }
    while (true) {
      metadataLock.lock();
      try {
        long entry = tables.l1Entry(guestOffset);
        if ((entry & Geometry.COPIED) != 0) {
          return; // another thread, in another cluster of this table, came first
        }
        long old = entry & Geometry.OFFSET_MASK;
        if ((entry & Geometry.L1_RESERVED) != 0 || geometry.inCluster(old) != 0) {
          throw ImageException.unsafe(
              file.path(),
              String.format(
                  "L1 entry of guest offset 0x%x is 0x%x, not writable; repair the image",
                  guestOffset, entry));
        }
        requireInUse(old);
        long table = refcounts.allocate(1);
        if (table != 0) {
          linkL2Table(guestOffset, old, table);
          return;
        }
      } finally {
        metadataLock.unlock();
      }
      growRefcountTable();
    }
  }

  private void linkL2Table(long guestOffset, long old, long table) throws ImageException {
    boolean linked = false;
    try {
      if (old == 0) {
        space.writeZeroes(table, clusterSize);
        tables.setL1Entry(guestOffset, table | Geometry.COPIED);
      } else {
        tables.moveL2Table(guestOffset, old, table);
        frees.unlinked(old, clusterSize);
      }
      metadata.add(table, clusterSize);
      linked = true;
    } finally {
      if (!linked) {
        refcounts.change(table, clusterSize, -1);
      }
    }
  }

  /** An external data file ends with the disk; in the image itself clusters are filled whole. */
  long fillBound(long to) {
    return externalData ? Math.min(to, header.size()) : to;
  }
}
