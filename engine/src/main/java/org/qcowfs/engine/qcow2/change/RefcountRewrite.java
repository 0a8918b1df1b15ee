package org.qcowfs.engine.qcow2.change;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.qcow2.format.FormatLimits;
import org.qcowfs.engine.qcow2.refcount.RefcountWidth;

/**
 * Gives an image refcounts of another width: blocks and table are written anew and take effect with
 * the header.
 */
final class RefcountRewrite {
  private final ImageEdit edit;
  private final RefcountWidth width;
  private final long countsPerBlock;
  private final int clusterSize;

  /** The clusters of the present table and blocks. */
  private final Set<Long> old = new HashSet<>();

  RefcountRewrite(ImageEdit edit, int order) {
    this.edit = edit;
    this.width = new RefcountWidth(order);
    this.clusterSize = (int) edit.clusterSize;
    this.countsPerBlock = width.countsIn(clusterSize);
  }

  /**
   * Rewrites the refcounts and switches the header; the edit is over then.
   *
   * @throws ImageException kind {@code OUT_OF_BOUNDS} if a count does not fit the new width
   */
  void run() throws ImageException {
    List<Long> places = new ArrayList<>();
    long table = 0;
    long tableClusters = 0;
    // Places for the new structures are themselves counted by them.
    while (true) {
      long clusters = edit.usedClusters();
      long blocks = (clusters + countsPerBlock - 1) / countsPerBlock;
      long needed = edit.clusters(blocks * 8);
      if (needed * clusterSize > FormatLimits.MAX_REFCOUNT_TABLE_BYTES) {
        throw new ImageException(
            ErrorKind.NO_SPACE, edit.file.path(), "the refcount table would be too large");
      }
      if (needed > tableClusters) {
        if (table != 0) {
          edit.giveBackUnused(table, tableClusters);
        }
        tableClusters = needed;
        table = edit.allocate(needed);
      } else if (blocks > places.size()) {
        places.add(edit.allocate(1));
      } else {
        break;
      }
    }
    for (long block : edit.refcounts.stored().offsets()) {
      old.add(block);
    }
    long oldTable = edit.refcounts.stored().tableOffset();
    for (long i = 0; i < edit.clusters(edit.refcounts.stored().tableEntries() * 8); i++) {
      old.add(oldTable + i * clusterSize);
    }
    edit.writeRefcounts();
    long[] entries = write(places, tableClusters);
    edit.writeWords(table, entries);
    edit.next.refcountOrder = width.order();
    edit.next.refcountTableOffset = table;
    edit.next.refcountTableClusters = tableClusters;
    edit.switchHeader();
    for (long place : old) {
      edit.punch(place, clusterSize);
    }
  }

  private long[] write(List<Long> places, long tableClusters) throws ImageException {
    long clusters = edit.usedClusters();
    long[] entries = new long[(int) (tableClusters * clusterSize / 8)];
    DataBuffer block = DataBuffer.allocate(clusterSize);
    for (int b = 0; b < places.size(); b++) {
      block.zero(0, clusterSize);
      for (int i = 0; i < countsPerBlock; i++) {
        long cluster = b * countsPerBlock + i;
        long at = cluster * clusterSize;
        if (cluster >= clusters) {
          break;
        }
        long count = edit.refcounts.get(at);
        if (old.contains(at)) {
          count--;
        }
        if (Long.compareUnsigned(count, width.max()) > 0) {
          throw new ImageException(
              ErrorKind.OUT_OF_BOUNDS,
              edit.file.path(),
              String.format(
                  "Cannot decrease refcount entry width to %d bits: Cluster at offset 0x%x has a"
                      + " refcount of %s",
                  1 << width.order(), at, Long.toUnsignedString(count)));
        }
        if (count != 0) {
          width.set(block.bytes(), i, count);
        }
      }
      entries[b] = places.get(b);
      edit.file.write(places.get(b), block, 0, clusterSize);
    }
    return entries;
  }
}
