package org.qcowfs.engine.qcow2.mapping;

import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.cache.MetadataCache;
import org.qcowfs.engine.qcow2.cache.Slice;
import org.qcowfs.engine.qcow2.format.Geometry;
import org.qcowfs.engine.qcow2.format.Header;

/**
 * Knows which host ranges cannot be guest data: the header, the active L1 table, the refcount table
 * and its blocks, and the snapshot table.
 *
 * <p>A refcount block is looked for where writers put it, in the stretch of the file it describes,
 * and believed only if it says of itself that it is used once: a damaged refcount table must not
 * make good data unreadable.
 *
 * <p><b>Thread safety:</b> safe.
 */
public final class MetadataGuard {
  private final HostFile file;
  private final MetadataCache cache;
  private volatile Areas areas;
  private final long clusterSize;
  private final int refcountOrder;

  /**
   * Where the tables are now.
   *
   * @param starts first bytes of the header, the active L1 table and the snapshot table
   * @param ends where they end
   * @param refcounts slices of the refcount table
   * @param tableOffset host offset of the refcount table
   * @param tableEntries its entries
   */
  @SuppressWarnings("ArrayRecordComponent")
  private record Areas(
      long[] starts, long[] ends, TableReader refcounts, long tableOffset, long tableEntries) {}

  /** Log2 of the host bytes one refcount block describes. */
  private final int blockShift;

  /**
   * Believes a table no longer than it must be: a damaged length must not make good data, or good
   * L2 tables, unreadable.
   *
   * @param snapshotTableBytes length of the snapshot table, 0 for none
   */
  public MetadataGuard(HostFile file, Header header, MetadataCache cache, long snapshotTableBytes) {
    this.file = file;
    clusterSize = header.clusterSize();
    this.cache = cache;
    refcountOrder = header.refcountOrder();
    blockShift = header.clusterBits() + header.clusterBits() + 3 - refcountOrder;
    this.areas = areas(header, snapshotTableBytes);
  }

  private Areas areas(Header header, long snapshotTableBytes) {
    long l1Entries = Geometry.of(header).l1EntriesFor(header.size());
    long l1Offset = l1Entries > 0 ? header.l1Offset() : 0;
    long snapshots = snapshotTableBytes > 0 ? header.snapshotTableOffset() : 0;
    return new Areas(
        new long[] {0, l1Offset, snapshots},
        new long[] {
          clusterSize,
          l1Offset + l1Entries * 8,
          snapshots + Math.min(clusterSize, snapshotTableBytes)
        },
        new TableReader(file, cache),
        header.refcountTableOffset(),
        tableEntries(header));
  }

  /** Entries of the refcount table as far as the file has anything for them to describe. */
  private long tableEntries(Header header) {
    long recorded = header.refcountTableClusters() * clusterSize / 8;
    try {
      long needed = (file.length() >>> blockShift) + 1;
      long perCluster = clusterSize / 8;
      return Math.min(recorded, (needed + perCluster - 1) / perCluster * perCluster);
    } catch (ImageException e) {
      return recorded;
    }
  }

  /** A writer has moved the refcount table. */
  public void refcountTableMoved(long hostOffset, long entries) {
    Areas old = areas;
    areas = new Areas(old.starts, old.ends, new TableReader(file, cache), hostOffset, entries);
  }

  /** A writer has had the header name other tables. */
  public void moved(Header header, long snapshotTableBytes) {
    areas = areas(header, snapshotTableBytes);
  }

  /**
   * The first byte of a host range, counted from its start, that is metadata; {@code length} if
   * none is.
   */
  long firstOverlap(long hostOffset, long length) {
    long first = length;
    Areas now = areas;
    for (int i = 0; i < now.starts.length; i++) {
      if (now.starts[i] < hostOffset + length && now.ends[i] > hostOffset) {
        first = Math.min(first, Math.max(0, now.starts[i] - hostOffset));
      }
    }
    if (now.tableOffset < hostOffset + length
        && now.tableOffset + now.tableEntries * 8 > hostOffset) {
      first = Math.min(first, Math.max(0, now.tableOffset - hostOffset));
    }
    long last = hostOffset + length - 1 >>> blockShift;
    for (long block = hostOffset >>> blockShift; block <= last; block++) {
      long at = blockOffset(now, block);
      if (at >= hostOffset && at - hostOffset < first && describesItself(at)) {
        first = at - hostOffset;
      }
    }
    return first;
  }

  /** Host offset of a refcount block, or -1 for none. */
  private long blockOffset(Areas now, long block) {
    if (block >= now.tableEntries) {
      return -1;
    }
    int perSlice = (int) Math.min(MetadataCache.SLICE_BYTES, clusterSize) / 8;
    long index = block / perSlice;
    try {
      Slice slice = now.refcounts.cached(index);
      if (slice == null) {
        slice = now.refcounts.load(index, now.tableOffset + index * perSlice * 8, perSlice * 8);
      }
      int i = (int) (block % perSlice);
      long entry = i < slice.count() ? slice.word(i) & Geometry.OFFSET_MASK : 0;
      return entry == 0 || (entry & clusterSize - 1) != 0 ? -1 : entry;
    } catch (ImageException e) {
      return -1; // an unreadable refcount table does not stop reading
    }
  }

  private boolean describesItself(long block) {
    long inBlock =
        (block >>> Long.numberOfTrailingZeros(clusterSize)) & (1L << blockShift) / clusterSize - 1;
    long bit = inBlock << refcountOrder;
    DataBuffer word = DataBuffer.allocate(8, 8);
    try {
      int bytes = Math.max(1, 1 << refcountOrder >> 3);
      if (file.read(block + (bit >>> 3), word, 0, bytes) < bytes) {
        return false;
      }
    } catch (ImageException e) {
      return false;
    }
    return switch (refcountOrder) {
      case 3 -> word.bytes().get(0) == 1;
      case 4 -> word.bytes().getShort(0) == 1;
      case 5 -> word.bytes().getInt(0) == 1;
      case 6 -> word.bytes().getLong(0) == 1;
      // Spec: below a byte, refcounts are packed from the least significant bit on.
      default -> (word.bytes().get(0) >>> (bit & 7) & (1 << (1 << refcountOrder)) - 1) == 1;
    };
  }
}
