package org.qcowfs.engine.qcow2.refcount;

import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.qcow2.format.FormatLimits;

/**
 * Moves the refcount table to a larger place, with the blocks for that place, behind everything
 * described so far (rule W4: the header follows in one write once all of it is durable):
 *
 * <pre>
 *   | described so far | new blocks ... | larger table ... |
 * </pre>
 */
final class RefcountTableGrowth {
  /** Host offset of the table's offset in the header; its number of clusters follows. */
  private static final int HEADER_FIELD = 48;

  private final RefcountBlocks stored;

  RefcountTableGrowth(RefcountBlocks stored) {
    this.stored = stored;
  }

  /**
   * Grows the table by half; its old place still counts as in use afterwards.
   *
   * @throws ImageException kind {@code NO_SPACE} at the format's limit or on a full disk, {@code
   *     FAILED} if which table the header names is unknown
   */
  void run() throws ImageException {
    long[] table = stored.table();
    long clusterSize = stored.geometry.clusterSize();
    int clusterBits = stored.geometry.clusterBits();
    long entriesPerCluster = clusterSize / 8;
    long clusters = Math.max(table.length + 1L, table.length * 3L / 2) / entriesPerCluster + 1;
    long blocks = 1;
    while (blocks * stored.countsPerBlock < blocks + clusters) {
      blocks++;
    }
    while ((table.length + blocks) > clusters * entriesPerCluster) {
      clusters++;
    }
    if (clusters << clusterBits > FormatLimits.MAX_REFCOUNT_TABLE_BYTES) {
      throw new ImageException(
          ErrorKind.NO_SPACE,
          stored.file.path(),
          "the refcount table would grow past "
              + FormatLimits.MAX_REFCOUNT_TABLE_BYTES
              + " bytes, the most the format allows");
    }
    long start = (long) table.length * stored.countsPerBlock << clusterBits;
    long total = blocks + clusters;
    if (stored.metadata.overlaps(start, total << clusterBits)) {
      throw Refcounts.undescribedMetadata(stored, start);
    }
    stored.space.claim(start, total << clusterBits);
    long[] larger = new long[(int) (clusters * entriesPerCluster)];
    System.arraycopy(table, 0, larger, 0, table.length);
    for (int i = 0; i < blocks; i++) {
      larger[table.length + i] = start + ((long) i << clusterBits);
    }
    writeBlocks(start, blocks, total);
    stored.writeDirty();
    long newOffset = start + (blocks << clusterBits);
    stored.storeTable(newOffset, larger);
    switchHeader(newOffset, (int) clusters);
    long oldOffset = stored.tableOffset();
    stored.tableMoved(newOffset, larger);
    stored.metadata.add(start, total << clusterBits);
    stored.metadata.remove(oldOffset, table.length * 8L);
  }

  private void writeBlocks(long start, long blocks, long used) throws ImageException {
    int clusterSize = (int) stored.geometry.clusterSize();
    long counts = stored.countsPerBlock;
    DataBuffer block = DataBuffer.allocate(clusterSize);
    for (long b = 0; b < blocks; b++) {
      block.zero(0, clusterSize);
      for (long i = 0; i < counts && b * counts + i < used; i++) {
        stored.width.set(block.bytes(), (int) i, 1);
      }
      stored.file.write(start + b * clusterSize, block, 0, clusterSize);
    }
  }

  private void switchHeader(long tableOffset, int clusters) throws ImageException {
    try {
      stored.file.sync();
      DataBuffer field = stored.space.scratch(12);
      field.bytes().putLong(0, tableOffset).putInt(8, clusters);
      stored.file.write(HEADER_FIELD, field, 0, 12);
      stored.file.sync();
    } catch (ImageException e) {
      // Which table the file has now is unknown (rule W7).
      throw new ImageException(ErrorKind.FAILED, stored.file.path(), e.detail(), e.errno(), e);
    }
  }
}
