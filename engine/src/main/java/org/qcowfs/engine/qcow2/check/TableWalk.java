package org.qcowfs.engine.qcow2.check;

import java.util.Arrays;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.qcow2.check.Finding.Kind;
import org.qcowfs.engine.qcow2.compress.CompressedReader;
import org.qcowfs.engine.qcow2.format.Geometry;

/**
 * Goes through L1 and L2 tables: counts what they use, and judges their entries.
 *
 * <p><b>Thread safety:</b> none.
 */
final class TableWalk {
  /**
   * L2 tables at an offset that is not a cluster's are read, as QEMU does, but not without end: a
   * damaged L1 table could name one for each sector of the file.
   */
  private static final int MOST_MISALIGNED = 4096;

  static final String L1 = "L1 table";
  static final String L2 = "L2 table";
  static final String SNAPSHOTS = "snapshot table";

  /** Tables that would seem empty if the file grew over the part that it lacks. */
  private static final Set<String> MUST_BE_WHOLE = Set.of(L1, L2, SNAPSHOTS);

  static final String BITMAP_DIRECTORY = "bitmap directory";
  static final String BITMAP_TABLE = "bitmap table";

  /** Tables that would read differently if they lay in the header and the header changed. */
  private static final Set<String> FIXED = Set.of(L1, SNAPSHOTS, BITMAP_DIRECTORY, BITMAP_TABLE);

  private final CheckedFile file;
  private final Geometry geometry;
  private final boolean externalData;
  private final boolean skipEmpty;
  private final ExpectedRefcounts expected;
  private final Report report;
  private final Uses uses = new Uses();
  private final DataBuffer table;
  private final long clusterSize;
  private final int plainMax;

  /** Entries without any of these bits name a whole cluster of data, or nothing. */
  private final long special;

  private CheckExtras.Progress progress = CheckExtras.NONE.progress();
  private long walked;
  private @Nullable CompressedReader compressedReader;
  private int misaligned;

  /** Active entries name clusters whose flags are not noted in the expected refcounts. */
  private boolean flagsUnknown;

  /** An L1 entry has flags and no L2 table. */
  private boolean emptyEntries;

  /** Something that is read as a table lies in the header's cluster. */
  private boolean tableInHeader;

  /** A table lies, or ends, in the cluster behind the end of the file; data may. */
  private boolean tableCutOff;

  long allocated;
  long fragmented;
  long compressed;

  /**
   * @param skipEmpty whether L1 entries with flags and no L2 table are nothing, as readers take
   *     them; a check takes the header for their table, as QEMU's does
   */
  TableWalk(
      CheckedFile file,
      Geometry geometry,
      boolean externalData,
      boolean skipEmpty,
      ExpectedRefcounts expected,
      Report report) {
    this.skipEmpty = skipEmpty;
    this.file = file;
    this.geometry = geometry;
    this.externalData = externalData;
    this.expected = expected;
    this.report = report;
    this.clusterSize = geometry.clusterSize();
    this.plainMax = expected.plainMax();
    this.special =
        Geometry.COMPRESSED
            | Geometry.L2_RESERVED
            | Geometry.ZERO
            | Geometry.OFFSET_MASK & clusterSize - 1;
    this.table = DataBuffer.allocate((int) clusterSize);
  }

  /** Says who is told how far the walk is. */
  void tell(CheckExtras.Progress listener) {
    progress = listener;
  }

  /** Has compressed clusters decompressed. */
  void decompress(CompressedReader reader) {
    compressedReader = reader;
  }

  boolean flagsUnknown() {
    return flagsUnknown;
  }

  boolean tableCutOff() {
    return tableCutOff;
  }

  boolean emptyEntries() {
    return emptyEntries;
  }

  boolean tableInHeader() {
    return tableInHeader;
  }

  /** How often each L2 table is named. */
  Uses uses() {
    return uses;
  }

  /**
   * Counts {@code times} uses of every cluster a host range touches.
   *
   * @return false if the range reaches too far past the end of the file, which is reported
   */
  boolean use(
      String structure, long hostOffset, long bytes, long guestOffset, long times, int flags) {
    if (bytes <= 0) {
      return true;
    }
    if (!countable(hostOffset, bytes)) {
      report.add(
          Kind.BEYOND_END,
          structure,
          hostOffset,
          guestOffset,
          times,
          // Not String.format here and below: a damaged table can bring millions of these.
          "ERROR: counting reference for region exceeding the end of the file by one cluster"
              + " or more: offset 0x"
              + Long.toHexString(hostOffset)
              + " size 0x"
              + Long.toHexString(bytes));
      return false;
    }
    tableInHeader |= hostOffset < clusterSize && FIXED.contains(structure);
    tableCutOff |= hostOffset + bytes > file.length() && MUST_BE_WHOLE.contains(structure);
    long last = hostOffset + bytes - 1 >>> geometry.clusterBits();
    for (long cluster = hostOffset >>> geometry.clusterBits(); cluster <= last; cluster++) {
      long excess = expected.add(cluster, times, flags);
      if (excess > 0) {
        report.add(
            Kind.REFCOUNT_OVERFLOW,
            structure,
            cluster << geometry.clusterBits(),
            guestOffset,
            excess,
            String.format(
                "ERROR: overflow cluster offset=0x%x%nUse qemu-img amend to increase the refcount"
                    + " entry width or qemu-img convert to create a clean copy if the image cannot"
                    + " be opened for writing",
                cluster << geometry.clusterBits()));
      }
    }
    return true;
  }

  /** Whether a range ends no further than within the cluster behind the end of the file. */
  boolean countable(long hostOffset, long bytes) {
    return hostOffset >= 0
        && hostOffset <= Long.MAX_VALUE - bytes
        && hostOffset + bytes - file.length() < clusterSize;
  }

  /** Notes how often an L1 table's entries name each L2 table; call for every one before a walk. */
  void note(long[] l1, boolean active, long times) {
    for (long entry : l1) {
      long l2 = entry & Geometry.OFFSET_MASK;
      if (entry != 0 && l2 < file.length() && (l2 != 0 || !skipEmpty)) {
        if (geometry.inCluster(l2) != 0 && !uses.contains(l2) && ++misaligned > MOST_MISALIGNED) {
          continue;
        }
        uses.add(l2, active, times);
      }
    }
  }

  /** Judges an L1 table's entries and, the first time each is named, the L2 tables. */
  void walk(long[] l1, boolean active, long times) throws ImageException {
    try (TableFeed feed = feed(l1)) {
      walk(l1, active, times, feed);
    }
  }

  /** The L2 tables in the order in which they are named, each once. */
  private TableFeed feed(long[] l1) {
    long[] offsets = new long[l1.length];
    int count = 0;
    for (long entry : l1) {
      long l2 = entry & Geometry.OFFSET_MASK;
      if (entry != 0 && l2 < file.length() && uses.first(l2)) {
        offsets[count++] = l2;
      }
    }
    uses.forget(offsets, count);
    long plainEnd = externalData ? 0 : file.length() & -clusterSize;
    return new TableFeed(
        file,
        geometry,
        Arrays.copyOf(offsets, count),
        special,
        plainEnd,
        !geometry.extendedL2() && !externalData);
  }

  private void walk(long[] l1, boolean active, long times, TableFeed feed) throws ImageException {
    for (int i = 0; i < l1.length; i++) {
      long entry = l1[i];
      if (entry == 0) {
        continue;
      }
      if ((entry & Geometry.OFFSET_MASK) == 0) {
        emptyEntries = true;
        if (skipEmpty) {
          continue;
        }
      }
      long guest = active ? (long) i << geometry.l1Shift() : Finding.NONE;
      if ((entry & Geometry.L1_RESERVED) != 0) {
        report.add(
            Kind.L1_ENTRY,
            L1,
            Finding.NONE,
            guest,
            times,
            "ERROR found L1 entry with reserved bits set: " + Long.toHexString(entry));
      }
      long l2 = entry & Geometry.OFFSET_MASK;
      boolean plain = geometry.inCluster(l2) == 0 && l2 + clusterSize <= file.length();
      int flags = active && plain && l2 != 0 ? flag(entry) : 0;
      flagsUnknown |= active && !plain;
      use(L2, l2, clusterSize, guest, times, flags);
      if (geometry.inCluster(l2) != 0) {
        report.add(
            Kind.L1_ENTRY,
            L1,
            l2,
            guest,
            times,
            String.format(
                "ERROR l2_offset=%x: Table is not cluster aligned; L1 entry corrupted", l2));
      }
      if (l2 < file.length() && uses.first(l2)) {
        TableFeed.Table l2Table = feed.take();
        long all = uses.all(l2);
        if (l2Table.runs >= 0 && all <= plainMax) {
          addRuns(l2Table, guest, uses.active(l2), all);
        } else {
          walkL2(l2Table.words, guest, uses.active(l2), all);
        }
        progress.at(++walked, uses.size());
      }
    }
  }

  private static int flag(long entry) {
    return entry < 0 ? ExpectedRefcounts.COPIED : ExpectedRefcounts.NOT_COPIED;
  }

  /** Counts a table all of whose entries are plain, or 0. */
  private void addRuns(TableFeed.Table l2, long guestBase, long active, long all) {
    long next = 0;
    for (int run = 0; run < l2.runs; run++) {
      int first = l2.first[run];
      long entry = l2.words[first];
      long offset = entry & Geometry.OFFSET_MASK;
      addRun(l2, first, l2.count[run], guestBase, active, all);
      allocated += l2.count[run] * active;
      if (next != 0 && offset != next) {
        fragmented += active;
      }
      next = offset + l2.count[run] * clusterSize;
    }
  }

  private void addRun(
      TableFeed.Table l2, int first, int count, long guestBase, long active, long all) {
    long entry = l2.words[first];
    long cluster = (entry & Geometry.OFFSET_MASK) >>> geometry.clusterBits();
    int room = (int) (plainMax - all);
    int flag = active > 0 ? flag(entry) : 0;
    for (int done = 0; done < count; ) {
      char[] chunk = expected.chunk((int) (cluster + done >>> ExpectedRefcounts.CHUNK_BITS));
      int at = (int) (cluster + done) & ExpectedRefcounts.CHUNK - 1;
      int end = Math.min(ExpectedRefcounts.CHUNK, at + count - done);
      int begin = at - done;
      for (; at < end; at++) {
        int value = chunk[at];
        if ((value & ExpectedRefcounts.COUNT) > room) {
          long index = first + at - begin;
          long guest =
              guestBase == Finding.NONE
                  ? Finding.NONE
                  : guestBase + (index << geometry.clusterBits());
          special(l2.words[(int) index], 0, (int) index, guest, active, all);
        } else {
          chunk[at] = (char) (value + (int) all | flag);
        }
      }
      done = at - begin;
    }
  }

  private void walkL2(long[] words, long guestBase, long active, long all) {
    boolean extended = geometry.extendedL2();
    int step = extended ? 16 : 8;
    int bytes = table.capacity();
    int bits = geometry.clusterBits();
    long plainClusters = externalData || all > plainMax ? 0 : file.length() >>> bits;
    int plainRoom = (int) Math.max(0, plainMax - all);
    boolean isActive = active > 0;
    long next = 0;
    long tableAllocated = 0;
    long tableFragmented = 0;
    for (int at = 0; at < bytes; at += step) {
      long entry = words[at >> 3];
      long bitmap = extended ? words[(at >> 3) + 1] : 0;
      if (entry == 0 && bitmap == 0) {
        continue;
      }
      long offset = entry & Geometry.OFFSET_MASK;
      long cluster = offset >>> bits;
      if ((entry & special) == 0
          && cluster < plainClusters
          && offset != 0
          && (bitmap >>> 32 & bitmap) == 0) {
        char[] chunk = expected.chunk((int) (cluster >>> ExpectedRefcounts.CHUNK_BITS));
        int slot = (int) cluster & ExpectedRefcounts.CHUNK - 1;
        int value = chunk[slot];
        if ((value & ExpectedRefcounts.COUNT) <= plainRoom) {
          chunk[slot] = (char) (value + (int) all | (isActive ? flag(entry) : 0));
          tableAllocated++;
          if (next != 0 && offset != next) {
            tableFragmented++;
          }
          next = offset + clusterSize;
          continue;
        }
      }
      long guest =
          guestBase == Finding.NONE
              ? Finding.NONE
              : guestBase + ((long) (at / step) << geometry.clusterBits());
      if (special(entry, bitmap, at / step, guest, active, all)) {
        tableAllocated++;
        if (next != 0 && offset != next) {
          tableFragmented++;
        }
        next = offset + clusterSize;
      }
    }
    allocated += tableAllocated * active;
    fragmented += tableFragmented * active;
  }

  /** Judges any entry; returns whether it is an allocated cluster, and not compressed. */
  private boolean special(long entry, long bitmap, int index, long guest, long active, long all) {
    boolean isCompressed = (entry & Geometry.COMPRESSED) != 0;
    if (isCompressed) {
      compressed(entry, bitmap, index, guest, active, all);
      return false;
    }
    if ((entry & Geometry.L2_RESERVED) != 0) {
      entryFault(
          Finding.NONE,
          guest,
          all,
          "ERROR found l2 entry with reserved bits set: " + Long.toHexString(entry));
    }
    long offset = entry & Geometry.OFFSET_MASK;
    boolean zero = !geometry.extendedL2() && (entry & Geometry.ZERO) != 0;
    if (offset == 0 && (zero || !externalData || entry >= 0)) {
      if (!zero && (bitmap & 0xffffffffL) != 0) {
        entryFault(
            Finding.NONE,
            guest,
            all,
            "ERROR: Unallocated cluster has non-zero subcluster allocation map");
      }
      return false;
    }
    if ((bitmap >>> 32 & bitmap) != 0) {
      entryFault(
          offset,
          guest,
          all,
          String.format(
              "ERROR offset=%x: Allocated cluster has corrupted subcluster allocation bitmap",
              offset));
    }
    boolean aligned = geometry.inCluster(offset) == 0;
    if (!aligned) {
      boolean data = geometry.extendedL2() ? (bitmap & 0xffffffffL) != 0 : !zero;
      entryFault(
          offset,
          guest,
          all,
          String.format(
              data
                  ? "ERROR offset=%x: Data cluster is not properly aligned; L2 entry corrupted."
                  : "ERROR offset=%x: Preallocated cluster is not properly aligned; L2 entry"
                      + " corrupted.",
              offset));
    }
    boolean plain = aligned && !externalData && offset + clusterSize <= file.length();
    flagsUnknown |= active > 0 && !plain;
    if (!externalData) {
      use("data cluster", offset, clusterSize, guest, all, active > 0 && plain ? flag(entry) : 0);
    }
    return true;
  }

  private void compressed(long entry, long bitmap, int index, long guest, long active, long all) {
    long descriptor = entry & ~(Geometry.COMPRESSED | Geometry.COPIED);
    long offset = geometry.compressedOffset(descriptor);
    long shown = entry & ~Geometry.COPIED;
    if (entry < 0) {
      entryFault(
          offset,
          guest,
          all,
          String.format(
              "ERROR: coffset=0x%x: copied flag must never be set for compressed clusters",
              offset));
    }
    if (externalData) {
      entryFault(
          offset,
          guest,
          all,
          String.format("ERROR compressed cluster %d with data file, entry=0x%x", index, shown));
    } else if (bitmap != 0) {
      entryFault(
          offset,
          guest,
          all,
          String.format(
              "ERROR compressed cluster %d with non-zero subcluster allocation bitmap, entry=0x%x",
              index, shown));
    } else {
      use("compressed cluster", offset, geometry.compressedBytes(descriptor), guest, all, 0);
      allocated += active;
      compressed += active;
      fragmented += active;
      decompress(descriptor, guest, all);
    }
  }

  private void decompress(long descriptor, long guest, long all) {
    CompressedReader reader = compressedReader;
    if (reader == null) {
      return;
    }
    try {
      reader.read(descriptor, 0, table, 0, table.capacity());
    } catch (ImageException e) {
      report.add(
          Kind.COMPRESSED_DATA,
          L2,
          geometry.compressedOffset(descriptor),
          guest,
          all,
          "ERROR data: " + e.detail());
    }
  }

  private void entryFault(long hostOffset, long guest, long times, String text) {
    report.add(Kind.L2_ENTRY, L2, hostOffset, guest, times, text);
  }

  /** Names the entries of the active tables whose COPIED flag contradicts the refcounts. */
  void reportFlags(long[] l1, CopiedFlags.Refcounts stored, Report to) throws ImageException {
    new CopiedFlags(file, geometry, externalData, stored, to).report(l1, uses);
  }
}
