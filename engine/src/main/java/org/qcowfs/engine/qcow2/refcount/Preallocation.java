package org.qcowfs.engine.qcow2.refcount;

import java.nio.ByteOrder;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.format.Header;

/**
 * Tells an image made with {@code preallocation=metadata} from others, as QEMU does: clusters in
 * use by the refcounts outnumber those the host has blocks for by a ninth, and by at least two.
 */
public final class Preallocation {
  private static final long OFFSET_MASK = ~0x1ffL;

  private final HostFile file;
  private final Header header;
  private final int clusterBits;

  private Preallocation(HostFile file, Header header) {
    this.file = file;
    this.header = header;
    this.clusterBits = header.clusterBits();
  }

  /** Whether {@code file} was preallocated; counts refcounts until that is clear. */
  public static boolean detect(HostFile file, Header header) throws ImageException {
    return new Preallocation(file, header).detect();
  }

  private boolean detect() throws ImageException {
    long clusterSize = 1L << clusterBits;
    long onHost = file.allocatedBytes() >>> clusterBits;
    long threshold = Math.max(onHost * 10 / 9, onHost + 2);
    long clusters = (file.length() + clusterSize - 1) >>> clusterBits;
    if (clusters < threshold) {
      return false;
    }
    int blockBits = clusterBits + 3 - header.refcountOrder();
    long blocks = (clusters >>> blockBits) + 1;
    long tableEntries = header.refcountTableClusters() << clusterBits - 3;
    DataBuffer entry = DataBuffer.allocate(8);
    entry.bytes().order(ByteOrder.BIG_ENDIAN);
    DataBuffer block = DataBuffer.allocate((int) clusterSize);
    long used = 0;
    // A block that counts anything has host blocks of its own, so there are no more than those.
    long most = Math.min(Math.min(blocks, tableEntries), onHost + 1);
    for (long i = 0; i < most && used < threshold; i++) {
      entry.zero(0, 8);
      file.read(header.refcountTableOffset() + i * 8, entry, 0, 8);
      long blockOffset = entry.bytes().getLong(0) & OFFSET_MASK;
      if (blockOffset != 0) {
        block.zero(0, (int) clusterSize);
        file.read(blockOffset, block, 0, (int) clusterSize);
        used += countUsed(block, Math.min(1L << blockBits, clusters - (i << blockBits)));
      }
    }
    return used >= threshold;
  }

  /** How many of the block's first {@code entries} refcounts are not 0. */
  private long countUsed(DataBuffer block, long entries) {
    int order = header.refcountOrder();
    long used = 0;
    for (int i = 0; i < entries; i++) {
      boolean isUsed;
      if (order < 3) {
        int bit = i << order;
        int mask = (1 << (1 << order)) - 1;
        isUsed = (block.bytes().get(bit >>> 3) >>> (bit & 7) & mask) != 0;
      } else {
        isUsed = anyBit(block, i << order - 3, 1 << order - 3);
      }
      used += isUsed ? 1 : 0;
    }
    return used;
  }

  private static boolean anyBit(DataBuffer block, int position, int length) {
    for (int i = position; i < position + length; i++) {
      if (block.bytes().get(i) != 0) {
        return true;
      }
    }
    return false;
  }
}
