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
 * Writes guest bytes: in place where the cluster is ours alone, else into new clusters that are
 * filled before anything names them.
 *
 * <p><b>Thread safety:</b> safe; guest data moves with neither the flush lock nor the metadata lock
 * held.
 */
final class WritePath {
  private final Clusters clusters;
  private final HostFile file;
  private final HostFile dataFile;
  private final boolean externalData;
  private final Header header;
  private final Geometry geometry;
  private final long clusterSize;
  private final GuestReader visible;
  private final ActiveTables tables;
  private final ReentrantLock metadataLock;
  private final ClusterFill fill;
  private final FlushPath flushPath;

  WritePath(Clusters clusters, FlushPath flushPath) {
    this.clusters = clusters;
    this.file = clusters.file;
    this.dataFile = clusters.dataFile;
    this.externalData = clusters.externalData;
    this.header = clusters.header;
    this.geometry = clusters.geometry;
    this.clusterSize = clusters.clusterSize;
    this.visible = clusters.visible;
    this.tables = clusters.tables;
    this.metadataLock = clusters.metadataLock;
    this.fill = new ClusterFill(clusters.dataFile, clusters.header.size());
    this.flushPath = flushPath;
  }

  /** Guest bytes copied because a cluster was written in part. */
  long copiedBytes() {
    return fill.copiedBytes();
  }

  /**
   * Writes guest bytes: in place as far as that goes, the rest with the range locked exclusively.
   */
  void write(long guestOffset, DataBuffer src, int position, int length) throws ImageException {
    int done = 0;
    RangeLocks.Range range = clusters.lock(guestOffset, length, false);
    try {
      done = writeInPlace(guestOffset, src, position, length);
    } finally {
      clusters.ranges.unlock(range);
    }
    if (done < length) {
      range = clusters.lock(guestOffset + done, length - done, true);
      try {
        writeAny(guestOffset + done, src, position + done, length - done);
      } finally {
        clusters.ranges.unlock(range);
      }
      flushPath.flushIfLarge();
    }
  }

  /** Writes from the start on for as long as host bytes of our own are there; returns how many. */
  private int writeInPlace(long guestOffset, DataBuffer src, int position, int length)
      throws ImageException {
    int done = 0;
    while (done < length) {
      long at = guestOffset + done;
      if ((tables.l1Entry(at) & Geometry.COPIED) == 0) {
        break;
      }
      long run = ownRun(at, length - done);
      if (run == 0) {
        break;
      }
      clusters.checkWrite(hostOfOwn(at), run);
      dataFile.write(hostOfOwn(at), src, position + done, (int) run);
      done += (int) run;
    }
    return done;
  }

  /** Bytes from {@code at} on that can be written in place, contiguous on the host. */
  private long ownRun(long at, long most) throws ImageException {
    Slice slice = clusters.slice(at);
    int i = tables.wordIndex(at);
    long run = 0;
    long expected = 0;
    int step = 1 << geometry.l2EntryWordBits();
    while (run < most && i < slice.count()) {
      long word = slice.word(i);
      if ((word & (Geometry.COPIED | Geometry.COMPRESSED | Geometry.ZERO)) != Geometry.COPIED
          || !clusters.hasHost(word)
          || run > 0 && (word & Geometry.OFFSET_MASK) != expected) {
        break;
      }
      clusters.checkEntry(word, at + run);
      long inCluster = geometry.inCluster(at + run);
      long part = Math.min(most - run, clusterSize - inCluster);
      if (geometry.extendedL2()) {
        long own = allocatedPart(slice.word(i + 1), inCluster, part);
        run += own;
        if (own < part) {
          break;
        }
      } else {
        run += part;
      }
      expected = (word & Geometry.OFFSET_MASK) + clusterSize;
      i += step;
    }
    return run;
  }

  /** Bytes from {@code inCluster} on that lie in allocated subclusters, at most {@code part}. */
  private long allocatedPart(long bitmap, long inCluster, long part) {
    int first = (int) (inCluster >>> geometry.subclusterBits());
    int missing = ~(int) bitmap >>> first;
    int count = Math.min(Geometry.SUBCLUSTERS - first, Integer.numberOfTrailingZeros(missing));
    if (count == 0) {
      return 0;
    }
    return Math.min(part, ((long) (first + count) << geometry.subclusterBits()) - inCluster);
  }

  private long hostOfOwn(long guestOffset) throws ImageException {
    return (clusters.slice(guestOffset).word(tables.wordIndex(guestOffset)) & Geometry.OFFSET_MASK)
        + geometry.inCluster(guestOffset);
  }

  /** Writes a range that is locked exclusively, allocating what is missing. */
  void writeAny(long guestOffset, DataBuffer src, int position, int length) throws ImageException {
    int done = 0;
    while (done < length) {
      long at = guestOffset + done;
      clusters.ownL2Table(at);
      int run = writeInPlace(at, src, position + done, length - done);
      if (run == 0) {
        run = writeNew(at, src, position + done, length - done);
      }
      done += run;
    }
  }

  /** Writes the first cluster, or as many as can be allocated and linked together. */
  private int writeNew(long guestOffset, DataBuffer src, int position, int length)
      throws ImageException {
    Slice slice = clusters.slice(guestOffset);
    int i = tables.wordIndex(guestOffset);
    long word = slice.word(i);
    clusters.checkEntry(word, guestOffset);
    int first = (int) Math.min(length, clusterSize - geometry.inCluster(guestOffset));
    if ((word & Geometry.COMPRESSED) == 0
        && (word & Geometry.COPIED) != 0
        && clusters.hasHost(word)) {
      writeIntoOwnCluster(slice, i, word, guestOffset, src, position, first);
      return first;
    }
    long wantedMost =
        geometry.inCluster(guestOffset) + length + clusterSize - 1 >>> geometry.clusterBits();
    long host;
    long run = 1;
    boolean fresh = false;
    if (externalData) {
      host = guestOffset & -clusterSize;
    } else {
      long wanted = clusters.withoutCluster(slice, i, wantedMost);
      Clusters.Allocation allocation = clusters.allocate(guestOffset, wanted);
      host = allocation.hostOffset();
      run = allocation.clusters();
      fresh = allocation.fresh();
    }
    int written = (int) Math.min(length, run * clusterSize - geometry.inCluster(guestOffset));
    boolean linked = false;
    try {
      fillNew(slice, i, host, fresh, guestOffset, src, position, written);
      link(i, host, guestOffset, written);
      linked = true;
    } finally {
      if (!linked && !externalData) {
        clusters.release(host, run);
      }
    }
    return written;
  }

  /** Stores what the new clusters must hold, before anything names them. */
  private void fillNew(
      Slice slice,
      int wordIndex,
      long host,
      boolean fresh,
      long guestOffset,
      DataBuffer src,
      int position,
      int length)
      throws ImageException {
    int done = 0;
    int step = 1 << geometry.l2EntryWordBits();
    for (int i = wordIndex; done < length; i += step) {
      long at = guestOffset + done;
      long clusterStart = at & -clusterSize;
      int part = (int) Math.min(length - done, clusterSize - geometry.inCluster(at));
      if (part == clusterSize) {
        part = wholeClusters(length - done);
        i += step * ((part >>> geometry.clusterBits()) - 1);
        writeData(host, src, position + done, part);
      } else {
        long from = clusterStart + fillFrom(slice.word(i), geometry.inCluster(at));
        long to = clusterStart + fillTo(slice.word(i), geometry.inCluster(at) + part);
        if (fresh && visible.readsAsZero(from, at - from) && zeroBehind(at + part, to)) {
          from = at;
          to = at + part;
        }
        clusters.checkWrite(host, clusterSize);
        fill.fill(
            host + geometry.inCluster(from), from, to, at, src, position + done, part, visible);
      }
      host += part + geometry.inCluster(at);
      done += part;
    }
  }

  private boolean zeroBehind(long from, long to) {
    long end = Math.min(to, header.size());
    return from >= end || visible.readsAsZero(from, end - from);
  }

  private int wholeClusters(int bytes) {
    return (int) (bytes & -clusterSize);
  }

  private void writeData(long host, DataBuffer src, int position, int length)
      throws ImageException {
    clusters.checkWrite(host, length);
    dataFile.write(host, src, position, length);
  }

  /** Where in a new cluster filling begins, for new bytes from {@code inCluster} on. */
  private long fillFrom(long oldWord, long inCluster) {
    return geometry.extendedL2() && !mustCopyAll(oldWord)
        ? inCluster & -(1L << geometry.subclusterBits())
        : 0;
  }

  /** Where in a new cluster filling ends, for new bytes up to {@code inCluster}. */
  private long fillTo(long oldWord, long inCluster) {
    long unit = 1L << geometry.subclusterBits();
    return geometry.extendedL2() && !mustCopyAll(oldWord)
        ? inCluster + unit - 1 & -unit
        : clusterSize;
  }

  /** Whether the old cluster holds bytes that only it has. */
  private boolean mustCopyAll(long oldWord) {
    return (oldWord & Geometry.COMPRESSED) != 0 || clusters.hasHost(oldWord);
  }

  /** Names the filled clusters in the L2 table and lets go of what they replace. */
  void link(int wordIndex, long host, long guestOffset, int length) throws ImageException {
    metadataLock.lock();
    try {
      Slice slice = tables.l2SliceAt(guestOffset);
      int i = wordIndex;
      int step = 1 << geometry.l2EntryWordBits();
      long end = guestOffset + length;
      for (long at = guestOffset; at < end; i += step) {
        long old = slice.word(i);
        long inCluster = geometry.inCluster(at);
        long part = Math.min(end - at, clusterSize - inCluster);
        if (geometry.extendedL2()) {
          long bitmap = mustCopyAll(old) ? 0 : slice.word(i + 1);
          long added =
              clusters.subclusters(fillFrom(old, inCluster), fillTo(old, inCluster + part));
          tables.setEntry(
              slice, i, host | Geometry.COPIED, bitmap & ~(added << Geometry.SUBCLUSTERS) | added);
        } else {
          tables.setWord(slice, i, host | Geometry.COPIED);
        }
        clusters.letGo(old);
        host += clusterSize;
        at += part;
      }
    } finally {
      metadataLock.unlock();
    }
  }

  /**
   * Writes into a cluster that is ours alone but does not show these bytes yet: a preallocated zero
   * cluster, or subclusters that are not allocated.
   */
  private void writeIntoOwnCluster(
      Slice seen,
      int wordIndex,
      long word,
      long guestOffset,
      DataBuffer src,
      int position,
      int length)
      throws ImageException {
    long host = word & Geometry.OFFSET_MASK;
    long clusterStart = guestOffset & -clusterSize;
    long inCluster = geometry.inCluster(guestOffset);
    long from = 0;
    long to = clusterSize;
    if (geometry.extendedL2()) {
      long bitmap = seen.word(wordIndex + 1);
      from = fillEdge(bitmap, inCluster, inCluster & -(1L << geometry.subclusterBits()));
      long unit = 1L << geometry.subclusterBits();
      long end = inCluster + length;
      to = fillEdge(bitmap, end, end + unit - 1 & -unit);
    }
    clusters.checkWrite(host, clusterSize);
    fill.fill(
        host + from,
        clusterStart + from,
        clusters.fillBound(clusterStart + to),
        guestOffset,
        src,
        position,
        length,
        visible);
    metadataLock.lock();
    try {
      Slice slice = tables.l2SliceAt(guestOffset);
      if (geometry.extendedL2()) {
        long unit = 1L << geometry.subclusterBits();
        long added = clusters.subclusters(from & -unit, to + unit - 1 & -unit);
        long bitmap = slice.word(wordIndex + 1);
        tables.setEntry(
            slice,
            wordIndex,
            slice.word(wordIndex),
            bitmap & ~(added << Geometry.SUBCLUSTERS) | added);
      } else {
        tables.setWord(slice, wordIndex, host | Geometry.COPIED);
      }
    } finally {
      metadataLock.unlock();
    }
  }

  /** An edge inside a subcluster stays if that subcluster has its bytes, else goes to its bound. */
  private long fillEdge(long bitmap, long inCluster, long bound) {
    if (bound == inCluster) {
      return inCluster;
    }
    int subcluster = (int) (Math.min(bound, inCluster) >>> geometry.subclusterBits());
    return (bitmap >>> subcluster & 1) != 0 ? inCluster : bound;
  }
}
