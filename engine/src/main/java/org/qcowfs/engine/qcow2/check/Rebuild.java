package org.qcowfs.engine.qcow2.check;

import java.nio.ByteBuffer;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.format.FormatLimits;
import org.qcowfs.engine.qcow2.format.Geometry;
import org.qcowfs.engine.qcow2.format.Header;
import org.qcowfs.engine.qcow2.format.IncompatibleFeature;
import org.qcowfs.engine.qcow2.refcount.RefcountWidth;

/**
 * Makes new refcounts, an L1 table and, where a COPIED flag is wrong, L2 tables behind everything
 * that the image uses, and then names them in the header with one write (rule W4).
 *
 * <p>Nothing that the old header reaches is changed before. One use.
 */
final class Rebuild {
  private static final int L1_OFFSET_AT = 40;

  private final HostFile file;
  private final CheckedFile input;
  private final Checker checker;
  private final Header header;
  private final Geometry geometry;
  private final boolean externalData;
  private final RefcountWidth width;
  private final ExpectedRefcounts counts;
  private final DataBuffer table;
  private final long clusterSize;
  private final long countsPerBlock;

  Rebuild(HostFile file, Checker checker) throws ImageException {
    this.file = file;
    this.input = CheckedFile.of(file);
    this.checker = checker;
    this.header = checker.header();
    this.geometry = Geometry.of(header);
    this.externalData = header.has(IncompatibleFeature.EXTERNAL_DATA_FILE);
    this.width = new RefcountWidth(header.refcountOrder());
    this.counts = checker.expected();
    this.clusterSize = geometry.clusterSize();
    this.countsPerBlock = width.countsIn(clusterSize);
    this.table = DataBuffer.allocate((int) clusterSize);
  }

  /** Sets the refcounts to 0 of clusters that nothing uses; all others are right. */
  void freeLeaks() throws ImageException {
    StoredRefcounts stored = checker.stored();
    if (stored == null) {
      return;
    }
    for (long index = 0; index * countsPerBlock < counts.clusters(); index++) {
      DataBuffer block = stored.block(index);
      if (block == null) {
        continue;
      }
      boolean changed = false;
      long first = index * countsPerBlock;
      long last = Math.min(counts.clusters(), first + countsPerBlock);
      for (long cluster = first; cluster < last; cluster++) {
        int at = (int) (cluster - first);
        if (width.get(block.bytes(), at) != 0 && counts.count(cluster) == 0) {
          width.set(block.bytes(), at, 0);
          changed = true;
        }
      }
      if (changed) {
        file.write(stored.offset(index), block, 0, block.capacity());
      }
    }
    file.sync();
  }

  /**
   * Makes everything anew.
   *
   * @param firstBeyondEnd the lowest host offset that something refers to although it, or its end,
   *     is past the end of the file
   * @throws ImageException kind {@code CORRUPT} if that would come to lie on what is made here
   */
  void run(long firstBeyondEnd) throws ImageException {
    if (counts.count(0) != 1) {
      throw ImageException.corrupt(
          file.path(),
          "something takes the header for a table or for data, and a repair changes the header;"
              + " nothing was changed");
    }
    takeBackOldTables();
    boolean copyL2 = flagsWrong();
    long[] active = checker.active();
    long l1Clusters = clusters(header.l1Entries() * 8);
    long l2Tables = 0;
    if (copyL2) {
      for (long entry : active) {
        if (copyable(entry)) {
          counts.subtract((entry & Geometry.OFFSET_MASK) >>> geometry.clusterBits(), 1);
          l2Tables++;
        }
      }
    }
    long oldLength = file.length();
    long start = Math.max(counts.clusters(), clusters(oldLength));
    Places places = places(start, l1Clusters, l2Tables);
    long newLength = places.end << geometry.clusterBits();
    refuseOverlap(firstBeyondEnd, newLength);
    boolean written = false;
    try {
      writeActive(active, copyL2, places);
      long[] entries = writeBlocks(places, start);
      writeWords(places.table << geometry.clusterBits(), entries, places.tableClusters);
      file.sync();
      written = true;
    } finally {
      if (!written) {
        file.truncate(oldLength);
      }
    }
    switchHeader(places, l1Clusters > 0);
  }

  private void refuseOverlap(long firstBeyondEnd, long newLength) throws ImageException {
    if (firstBeyondEnd < newLength) {
      throw ImageException.corrupt(
          file.path(),
          String.format(
              "something refers to host offset 0x%x and past the end of the file, where a repair"
                  + " would write; nothing was changed",
              firstBeyondEnd));
    }
    if (!file.resizable() && newLength > file.length()) {
      throw new ImageException(
          ErrorKind.NO_SPACE, file.path(), "a repair needs room behind the image's end");
    }
  }

  // -----------------------------------------------------------------------------------------
  // counts

  private long clusters(long bytes) {
    return bytes + clusterSize - 1 >>> geometry.clusterBits();
  }

  private void takeBackOldTables() {
    if (header.l1Entries() > 0) {
      takeBack(header.l1Offset(), header.l1Entries() * 8);
    }
    takeBack(
        header.refcountTableOffset(), header.refcountTableClusters() << geometry.clusterBits());
    for (long block : checker.countedBlocks()) {
      takeBack(block, clusterSize);
    }
  }

  private void takeBack(long hostOffset, long bytes) {
    if (bytes > 0 && checker.counted(hostOffset, bytes)) {
      long last = hostOffset + bytes - 1 >>> geometry.clusterBits();
      for (long cluster = hostOffset >>> geometry.clusterBits(); cluster <= last; cluster++) {
        counts.subtract(cluster, 1);
      }
    }
  }

  // ------------------------------------------------------------------------------------------
  // flags

  /** Whether an L1 entry names an L2 table that can be moved. */
  private boolean copyable(long entry) {
    long l2 = entry & Geometry.OFFSET_MASK;
    return l2 != 0 && geometry.inCluster(l2) == 0 && l2 < input.length();
  }

  /** Whether an entry of an active L2 table has a COPIED flag that contradicts the new counts. */
  private boolean flagsWrong() throws ImageException {
    for (long entry : checker.active()) {
      if (copyable(entry)) {
        input.read(entry & Geometry.OFFSET_MASK, table, table.capacity());
        if (setFlags()) {
          return true;
        }
      }
    }
    return false;
  }

  /** Sets the flags of the L2 table in memory; returns whether any was wrong. */
  private boolean setFlags() {
    ByteBuffer words = table.bytes();
    boolean changed = false;
    int step = geometry.extendedL2() ? 16 : 8;
    for (int at = 0; at < table.capacity(); at += step) {
      long entry = words.getLong(at);
      long offset = entry & Geometry.OFFSET_MASK;
      boolean zero = !geometry.extendedL2() && (entry & Geometry.ZERO) != 0;
      boolean named = offset != 0 || externalData && entry < 0 && !zero;
      if (!named || (entry & Geometry.COMPRESSED) != 0) {
        continue;
      }
      boolean own = externalData || counts.count(offset >>> geometry.clusterBits()) == 1;
      if (own != entry < 0) {
        words.putLong(at, entry ^ Geometry.COPIED);
        changed = true;
      }
    }
    return changed;
  }

  // -----------------------------------------------------------------------------------------
  // places

  /** Where what is made goes, in clusters; blocks follow the table. */
  private record Places(
      long l1, long l2, long table, long tableClusters, long blocks, BitSet needed, long end) {}

  private Places places(long start, long l1Clusters, long l2Tables) throws ImageException {
    BitSet used = new BitSet();
    for (long first = 0; first < start; first += countsPerBlock) {
      if (anyUsed(first, Math.min(start, first + countsPerBlock))) {
        used.set((int) (first / countsPerBlock));
      }
    }
    long l2 = start + l1Clusters;
    long tableAt = l2 + l2Tables;
    long tableClusters = 1;
    long blocks = 1;
    while (true) {
      long end = tableAt + tableClusters + blocks;
      long entries = (end + countsPerBlock - 1) / countsPerBlock;
      if (entries * 8 > FormatLimits.MAX_REFCOUNT_TABLE_BYTES) {
        throw new ImageException(
            ErrorKind.NO_SPACE, file.path(), "the new refcount table would be too large");
      }
      BitSet needed = (BitSet) used.clone();
      needed.set((int) (start / countsPerBlock), (int) entries);
      long neededTable = clusters(entries * 8);
      if (neededTable == tableClusters && needed.cardinality() == blocks) {
        return new Places(start, l2, tableAt, tableClusters, tableAt + tableClusters, needed, end);
      }
      // Both only grow, so this ends.
      tableClusters = Math.max(tableClusters, neededTable);
      blocks = Math.max(blocks, needed.cardinality());
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

  // ----------------------------------------------------------------------------------------
  // writing

  private void writeActive(long[] active, boolean copyL2, Places places) throws ImageException {
    long[] entries = active.clone();
    long next = places.l2;
    for (int i = 0; i < entries.length; i++) {
      long l2 = entries[i] & Geometry.OFFSET_MASK;
      if (copyL2 && copyable(entries[i])) {
        input.read(l2, table, table.capacity());
        setFlags();
        file.write(next << geometry.clusterBits(), table, 0, table.capacity());
        entries[i] =
            entries[i] & ~Geometry.OFFSET_MASK | next << geometry.clusterBits() | Geometry.COPIED;
        next++;
      } else if (l2 != 0) {
        boolean own = counts.count(l2 >>> geometry.clusterBits()) == 1;
        entries[i] = own ? entries[i] | Geometry.COPIED : entries[i] & ~Geometry.COPIED;
      }
    }
    writeWords(places.l1 << geometry.clusterBits(), entries, clusters(header.l1Entries() * 8));
  }

  /** Writes words, and zeroes behind them, to whole clusters. */
  private void writeWords(long hostOffset, long[] words, long clusters) throws ImageException {
    int perCluster = (int) (clusterSize / 8);
    for (int cluster = 0; cluster < clusters; cluster++) {
      table.zero(0, table.capacity());
      for (int i = 0; i < perCluster && cluster * perCluster + i < words.length; i++) {
        table.bytes().putLong(i * 8, words[cluster * perCluster + i]);
      }
      file.write(
          hostOffset + ((long) cluster << geometry.clusterBits()), table, 0, table.capacity());
    }
  }

  /** Writes the refcount blocks; returns the refcount table. */
  private long[] writeBlocks(Places places, long start) throws ImageException {
    long[] entries = new long[places.needed.length()];
    long next = places.blocks;
    for (int index = places.needed.nextSetBit(0);
        index >= 0;
        index = places.needed.nextSetBit(index + 1)) {
      table.zero(0, table.capacity());
      long first = index * countsPerBlock;
      long last = Math.min(places.end, first + countsPerBlock);
      for (long cluster = first; cluster < last; cluster++) {
        long count = cluster >= start ? 1 : counts.count(cluster);
        if (count != 0) {
          width.set(table.bytes(), (int) (cluster - first), count);
        }
      }
      entries[index] = next << geometry.clusterBits();
      file.write(entries[index], table, 0, table.capacity());
      next++;
    }
    return entries;
  }

  /** Header bytes 40 to 59: L1 offset, refcount table offset and clusters; in one sector. */
  private void switchHeader(Places places, boolean hasL1) throws ImageException {
    DataBuffer fields = DataBuffer.allocate(24, 8);
    long l1 = hasL1 ? places.l1 << geometry.clusterBits() : header.l1Offset();
    fields.bytes().putLong(0, l1).putLong(8, places.table << geometry.clusterBits());
    fields.bytes().putInt(16, (int) places.tableClusters);
    file.write(L1_OFFSET_AT, fields, 0, 20);
    file.sync();
  }
}
