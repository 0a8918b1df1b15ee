package org.qcowfs.engine.qcow2.check;

import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.qcow2.format.Geometry;
import org.qcowfs.engine.qcow2.refcount.RefcountWidth;

/**
 * The refcounts as the image records them.
 *
 * <p><b>Thread safety:</b> none.
 */
final class StoredRefcounts {
  /** The bits of a refcount table entry that must be 0. */
  static final long RESERVED = 0x1ff;

  private static final int KEPT = 8;

  private final CheckedFile file;
  private final Geometry geometry;
  private final RefcountWidth width;
  private final long[] table;
  private final long countsPerBlock;
  private final @Nullable DataBuffer[] kept = new DataBuffer[KEPT];
  private final long[] keptBlock = new long[KEPT];

  /**
   * @param table the refcount table's entries
   */
  StoredRefcounts(CheckedFile file, Geometry geometry, RefcountWidth width, long[] table) {
    this.file = file;
    this.geometry = geometry;
    this.width = width;
    this.table = table;
    this.countsPerBlock = width.countsIn(geometry.clusterSize());
    java.util.Arrays.fill(keptBlock, -1);
  }

  long countsPerBlock() {
    return countsPerBlock;
  }

  RefcountWidth width() {
    return width;
  }

  int entries() {
    return table.length;
  }

  /** Refcount table entry {@code index}; 0 past the table's end. */
  long entry(long index) {
    return index < table.length ? table[(int) index] : 0;
  }

  /** The host offset of block {@code index}, 0 if there is none. */
  long offset(long index) {
    return entry(index) & ~RESERVED;
  }

  /** Whether the counts of block {@code index} can be read. */
  boolean readable(long index) {
    long offset = offset(index);
    return geometry.inCluster(offset) == 0 && CheckedFile.readable(offset, geometry.clusterSize());
  }

  /**
   * The counts of a readable block, or null if all are 0. The buffer is good until a few more have
   * been asked for.
   */
  @Nullable DataBuffer block(long index) throws ImageException {
    long offset = offset(index);
    if (offset == 0 || offset >= file.length()) {
      return null;
    }
    int slot = (int) (index % KEPT);
    DataBuffer block = kept[slot];
    if (block != null && keptBlock[slot] == index) {
      return block;
    }
    if (block == null) {
      block = DataBuffer.allocate((int) geometry.clusterSize());
      kept[slot] = block;
    }
    keptBlock[slot] = -1;
    file.read(offset, block, block.capacity());
    keptBlock[slot] = index;
    return block;
  }

  /** The refcount of a cluster; null if it cannot be read. */
  @Nullable Long get(long cluster) {
    long index = cluster / countsPerBlock;
    if (!readable(index)) {
      return null;
    }
    try {
      DataBuffer block = block(index);
      return block == null ? 0L : width.get(block.bytes(), (int) (cluster % countsPerBlock));
    } catch (ImageException e) {
      return null;
    }
  }
}
