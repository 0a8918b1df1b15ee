package org.qcowfs.engine.qcow2.write;

import java.util.concurrent.locks.ReentrantLock;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.layer.Mapping;
import org.qcowfs.engine.layer.WritableLayer.GuestReader;
import org.qcowfs.engine.qcow2.cache.Slice;
import org.qcowfs.engine.qcow2.format.Geometry;
import org.qcowfs.engine.qcow2.format.Header;
import org.qcowfs.engine.qcow2.mapping.DiskTable;

/**
 * Makes guest ranges read as zeroes: whole clusters and subclusters by their L2 entries, what is
 * left by writing.
 *
 * <p><b>Thread safety:</b> safe.
 */
final class ZeroPath {
  private static final DataBuffer ZEROES = DataBuffer.allocate(1 << 16);
  private static final ThreadLocal<Mapping> MAPPING = ThreadLocal.withInitial(Mapping::new);

  private final Clusters clusters;
  private final HostFile file;
  private final HostFile dataFile;
  private final boolean externalData;
  private final Header header;
  private final Geometry geometry;
  private final long clusterSize;
  private final boolean hasBacking;
  private final GuestReader visible;
  private final ActiveTables tables;
  private final ReentrantLock metadataLock;
  private final WritePath writePath;
  private final DiskTable reading;
  private final FlushPath flushPath;

  ZeroPath(Clusters clusters, WritePath writePath, DiskTable reading, FlushPath flushPath) {
    this.clusters = clusters;
    this.file = clusters.file;
    this.dataFile = clusters.dataFile;
    this.externalData = clusters.externalData;
    this.header = clusters.header;
    this.geometry = clusters.geometry;
    this.clusterSize = clusters.clusterSize;
    this.hasBacking = clusters.hasBacking;
    this.visible = clusters.visible;
    this.tables = clusters.tables;
    this.metadataLock = clusters.metadataLock;
    this.writePath = writePath;
    this.reading = reading;
    this.flushPath = flushPath;
  }

  /**
   * As {@link org.qcowfs.engine.layer.WritableLayer#zero}.
   *
   * @param here whether the zeroes must be this layer's own, whatever lies below
   */
  void zero(long guestOffset, long length, boolean unmap, boolean here) throws ImageException {
    long at = guestOffset;
    long end = guestOffset + length;
    while (at < end) {
      // In pieces, so that a large discard neither holds the whole disk nor outgrows memory.
      long piece =
          Math.min(end - at, (1L << geometry.l1Shift()) - (at & (1L << geometry.l1Shift()) - 1));
      RangeLocks.Range range = clusters.lock(at, piece, true);
      try {
        zeroPiece(at, piece, unmap, here);
      } finally {
        clusters.ranges.unlock(range);
      }
      flushPath.flushIfLarge();
      at += piece;
    }
  }

  /** Zeroes a range within one L2 table's reach, locked exclusively. */
  private void zeroPiece(long guestOffset, long length, boolean unmap, boolean here)
      throws ImageException {
    long end = guestOffset + length;
    Mapping mapping = MAPPING.get();
    for (long at = guestOffset; at < end; ) {
      reading.map(at, end - at, mapping);
      boolean own = mapping.kind() == Mapping.Kind.ZERO;
      if (isEmpty(mapping) && (own || !here) && visible.readsAsZero(at, mapping.length())) {
        at += mapping.length(); // nothing to zero, nothing to give back
        continue;
      }
      long part = Math.min(end - at, clusterSize - geometry.inCluster(at));
      boolean toDiskEnd = at + part == header.size();
      if (geometry.inCluster(at) == 0 && (part == clusterSize || toDiskEnd)) {
        long alike = Math.min(mapping.length(), end - at) >>> geometry.clusterBits();
        part = Math.min(end - at, zeroClusters(at, Math.max(1, alike), unmap, here));
      } else if (here || !visible.readsAsZero(at, part)) {
        zeroPart(at, part);
      }
      at += part;
    }
  }

  /**
   * Has the entries say zero for units of which this layer has nothing: whole clusters, or with
   * extended L2 entries subclusters. The range is locked exclusively; version 3 only.
   */
  void markZero(long guestOffset, long length) throws ImageException {
    long end = guestOffset + length;
    for (long at = guestOffset; at < end; ) {
      long part = Math.min(end - at, clusterSize - geometry.inCluster(at));
      if (geometry.inCluster(at) == 0 && (part == clusterSize || end == header.size())) {
        long whole = Math.max(1, end - at >>> geometry.clusterBits());
        part = Math.min(end - at, zeroClusters(at, whole, false, false));
      } else {
        zeroPart(at, part);
      }
      at += part;
    }
  }

  private static boolean isEmpty(Mapping mapping) {
    return mapping.kind() == Mapping.Kind.UNALLOCATED
        || mapping.kind() == Mapping.Kind.ZERO && !mapping.hasHostOffset();
  }

  /**
   * Zeroes whole clusters by their entries where the format can say so.
   *
   * @param most clusters from {@code guestOffset} on, at least 1; the disk may end in the last
   * @return bytes zeroed, by whole clusters: as many as one slice has, at least one
   */
  private long zeroClusters(long guestOffset, long most, boolean unmap, boolean here)
      throws ImageException {
    boolean hides = hasBacking || here;
    if (header.version() < 3 && hides || externalData && header.dataFileRaw()) {
      writeZeroes(guestOffset, Math.min(clusterSize, header.size() - guestOffset));
      return clusterSize;
    }
    clusters.ownL2Table(guestOffset);
    int first = tables.wordIndex(guestOffset);
    if (externalData) {
      // The entry keeps its place in the data file, so the bytes there can go at once.
      long old = clusters.slice(guestOffset).word(first);
      clusters.checkEntry(old, guestOffset);
      if (isOwn(old)) {
        long part = Math.min(clusterSize, header.size() - guestOffset);
        zeroData(old & Geometry.OFFSET_MASK, part, unmap);
      }
      most = 1;
    }
    int step = 1 << geometry.l2EntryWordBits();
    long done = 0;
    metadataLock.lock();
    try {
      Slice slice = tables.l2SliceAt(guestOffset);
      for (int i = first; done < most && i < slice.count(); i += step) {
        clusters.checkEntry(slice.word(i), guestOffset + (done << geometry.clusterBits()));
        zeroEntry(slice, i, unmap, hides);
        done++;
      }
    } finally {
      metadataLock.unlock();
    }
    return done << geometry.clusterBits();
  }

  private boolean isOwn(long word) {
    return (word & (Geometry.COPIED | Geometry.COMPRESSED)) == Geometry.COPIED
        && clusters.hasHost(word);
  }

  /**
   * The caller holds the metadata lock.
   *
   * @param hides whether the entry itself must say that there are zeroes
   */
  private void zeroEntry(Slice slice, int i, boolean unmap, boolean hides) {
    long old = slice.word(i);
    boolean keepHost = isOwn(old) && (externalData || !unmap) && header.version() >= 3;
    long kept = keepHost ? old & Geometry.OFFSET_MASK | Geometry.COPIED : 0;
    if (geometry.extendedL2()) {
      long bitmap = hides || keepHost ? -1L << Geometry.SUBCLUSTERS : 0;
      if (old == kept && slice.word(i + 1) == bitmap) {
        return;
      }
      tables.setEntry(slice, i, kept, bitmap);
    } else {
      long now = hides || keepHost ? kept | Geometry.ZERO : 0;
      if (old == now || old == 0 && !hides) {
        return;
      }
      tables.setWord(slice, i, now);
    }
    if (!keepHost) {
      clusters.letGo(old);
    }
  }

  private void zeroData(long hostOffset, long length, boolean unmap) throws ImageException {
    if (!unmap || !dataFile.punchHole(hostOffset, length)) {
      dataFile.zeroRange(hostOffset, length);
    }
  }

  /** Zeroes part of a cluster: whole subclusters by their bits, the rest by bytes. */
  private void zeroPart(long guestOffset, long length) throws ImageException {
    long unit = 1L << geometry.subclusterBits();
    long from = guestOffset + unit - 1 & -unit;
    long to = guestOffset + length & -unit;
    if (!geometry.extendedL2() || from >= to || externalData && header.dataFileRaw()) {
      writeZeroes(guestOffset, length);
      return;
    }
    clusters.ownL2Table(guestOffset);
    int i = tables.wordIndex(guestOffset);
    if ((clusters.slice(guestOffset).word(i) & Geometry.COMPRESSED) != 0) {
      writeZeroes(guestOffset, length);
      return;
    }
    clusters.checkEntry(clusters.slice(guestOffset).word(i), guestOffset);
    metadataLock.lock();
    try {
      Slice slice = tables.l2SliceAt(guestOffset);
      long clusterStart = guestOffset & -clusterSize;
      long bits = clusters.subclusters(from - clusterStart, to - clusterStart);
      long bitmap = slice.word(i + 1) & ~bits;
      tables.setEntry(slice, i, slice.word(i), bitmap | bits << Geometry.SUBCLUSTERS);
    } finally {
      metadataLock.unlock();
    }
    if (from > guestOffset) {
      writeZeroes(guestOffset, from - guestOffset);
    }
    if (to < guestOffset + length) {
      writeZeroes(to, guestOffset + length - to);
    }
  }

  /** Zeroes by writing; the range is locked exclusively. */
  private void writeZeroes(long guestOffset, long length) throws ImageException {
    for (long done = 0; done < length; done += ZEROES.capacity()) {
      int part = (int) Math.min(ZEROES.capacity(), length - done);
      writePath.writeAny(guestOffset + done, ZEROES, 0, part);
    }
  }
}
