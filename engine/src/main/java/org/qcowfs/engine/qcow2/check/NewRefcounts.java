package org.qcowfs.engine.qcow2.check;

import java.util.BitSet;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.format.FormatLimits;
import org.qcowfs.engine.qcow2.format.Geometry;
import org.qcowfs.engine.qcow2.refcount.RefcountWidth;

/**
 * A refcount table and its blocks, to be written behind everything else.
 *
 * <p>Blocks are made for stretches with a cluster in use; they count themselves.
 */
final class NewRefcounts {
  private final HostFile file;
  private final int clusterBits;
  private final RefcountWidth width;
  private final ExpectedRefcounts counts;
  private final long countsPerBlock;
  private final long table;
  private final long tableClusters;
  private final BitSet blocks;
  private final long end;

  /**
   * @param counts of every cluster before {@code table}
   * @param table the cluster where the table goes; the blocks follow it
   * @throws ImageException kind {@code NO_SPACE} if the format cannot describe a file so large
   */
  NewRefcounts(
      HostFile file, Geometry geometry, RefcountWidth width, ExpectedRefcounts counts, long table)
      throws ImageException {
    this.file = file;
    this.clusterBits = geometry.clusterBits();
    this.width = width;
    this.counts = counts;
    this.countsPerBlock = width.countsIn(geometry.clusterSize());
    this.table = table;
    BitSet used = new BitSet();
    for (long first = 0; first < table; first += countsPerBlock) {
      if (anyUsed(first, Math.min(table, first + countsPerBlock))) {
        used.set((int) (first / countsPerBlock));
      }
    }
    long clusters = 1;
    long blockCount = 1;
    while (true) {
      long last = table + clusters + blockCount;
      long entries = (last + countsPerBlock - 1) / countsPerBlock;
      if (entries * 8 > FormatLimits.MAX_REFCOUNT_TABLE_BYTES) {
        throw new ImageException(
            ErrorKind.NO_SPACE, file.path(), "the new refcount table would be too large");
      }
      BitSet needed = (BitSet) used.clone();
      needed.set((int) (table / countsPerBlock), (int) entries);
      long neededTable = entries * 8 + geometry.clusterSize() - 1 >>> clusterBits;
      if (neededTable <= clusters && needed.cardinality() <= blockCount) {
        this.tableClusters = clusters;
        this.blocks = needed;
        this.end = last;
        return;
      }
      // Both only grow, so this ends.
      clusters = Math.max(clusters, neededTable);
      blockCount = Math.max(blockCount, needed.cardinality());
    }
  }

  private boolean anyUsed(long from, long to) {
    for (long cluster = from; cluster < to; ) {
      long next = Math.min(to, (cluster | ExpectedRefcounts.CHUNK - 1) + 1);
      char @Nullable [] chunk = counts.peek((int) (cluster >>> ExpectedRefcounts.CHUNK_BITS));
      for (; chunk != null && cluster < next; cluster++) {
        if ((chunk[(int) cluster & ExpectedRefcounts.CHUNK - 1] & ExpectedRefcounts.COUNT) != 0) {
          return true;
        }
      }
      cluster = next;
    }
    return false;
  }

  /** The cluster behind the last block. */
  long end() {
    return end;
  }

  /** Host offset of the table. */
  long tableOffset() {
    return table << clusterBits;
  }

  int blockCount() {
    return blocks.cardinality();
  }

  long tableClusters() {
    return tableClusters;
  }

  /** Writes blocks and table. */
  void write() throws ImageException {
    DataBuffer block = DataBuffer.allocate(1 << clusterBits);
    long[] entries = new long[blocks.length()];
    long next = table + tableClusters;
    for (int index = blocks.nextSetBit(0); index >= 0; index = blocks.nextSetBit(index + 1)) {
      block.zero(0, block.capacity());
      long first = index * countsPerBlock;
      long last = Math.min(end, first + countsPerBlock);
      for (long cluster = first; cluster < last; cluster++) {
        long count = cluster >= table ? 1 : counts.count(cluster);
        if (count != 0) {
          width.set(block.bytes(), (int) (cluster - first), count);
        }
      }
      entries[index] = next << clusterBits;
      file.write(entries[index], block, 0, block.capacity());
      next++;
    }
    writeWords(file, table << clusterBits, entries, tableClusters, block);
  }

  /** Writes words, and zeroes behind them, to whole clusters of {@code buffer}'s capacity. */
  static void writeWords(
      HostFile file, long hostOffset, long[] words, long clusters, DataBuffer buffer)
      throws ImageException {
    int perCluster = buffer.capacity() / 8;
    for (int cluster = 0; cluster < clusters; cluster++) {
      buffer.zero(0, buffer.capacity());
      for (int i = 0; i < perCluster && cluster * perCluster + i < words.length; i++) {
        buffer.bytes().putLong(i * 8, words[cluster * perCluster + i]);
      }
      file.write(hostOffset + (long) cluster * buffer.capacity(), buffer, 0, buffer.capacity());
    }
  }
}
