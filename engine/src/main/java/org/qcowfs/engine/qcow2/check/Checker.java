package org.qcowfs.engine.qcow2.check;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.Qcow2Opener;
import org.qcowfs.engine.qcow2.check.Finding.Kind;
import org.qcowfs.engine.qcow2.compress.CompressedReader;
import org.qcowfs.engine.qcow2.format.FormatLimits;
import org.qcowfs.engine.qcow2.format.Geometry;
import org.qcowfs.engine.qcow2.format.Header;
import org.qcowfs.engine.qcow2.format.HeaderExtension;
import org.qcowfs.engine.qcow2.format.HeaderValidator;
import org.qcowfs.engine.qcow2.format.IncompatibleFeature;
import org.qcowfs.engine.qcow2.refcount.RefcountWidth;

/**
 * Checks the metadata of a qcow2 image; changes nothing.
 *
 * <p>One use. <b>Thread safety:</b> none.
 */
public final class Checker {
  /** QEMU examines no more clusters than an int counts. */
  private static final long MOST_CLUSTERS = Integer.MAX_VALUE;

  /** What the L1 tables of all snapshots may take together beyond four times the file's length. */
  private static final long SNAPSHOT_L1_BYTES = 256L << 20;

  private static final int PIECE = 1 << 20;

  private final CheckedFile file;
  private final Header header;
  private final Geometry geometry;
  private final boolean externalData;
  private final Report report;
  private final ExpectedRefcounts expected;
  private final TableWalk tables;
  private final BitmapReferences bitmaps;
  private final long fileClusters;
  private final List<Long> countedBlocks = new ArrayList<>();
  private final Map<L1Table, Long> snapshotTables = new LinkedHashMap<>();
  private List<SnapshotReferences.Entry> snapshots = List.of();
  private long snapshotTableBytes;
  private boolean incompleteSnapshots;
  private long[] active = {};
  private @Nullable StoredRefcounts storedRefcounts;
  private boolean unusable;
  private long highest;

  private Checker(HostFile hostFile, Header header, boolean skipEmpty, Consumer<Finding> findings)
      throws ImageException {
    this.file = CheckedFile.of(hostFile);
    this.header = header;
    this.geometry = Geometry.of(header);
    this.externalData = header.has(IncompatibleFeature.EXTERNAL_DATA_FILE);
    this.report = new Report(findings);
    this.fileClusters = clusters(file.length());
    this.bitmaps = BitmapReferences.read(file, header, geometry);
    this.expected =
        new ExpectedRefcounts(
            fileClusters > MOST_CLUSTERS ? 0 : fileClusters,
            new RefcountWidth(header.refcountOrder()).max());
    this.tables = new TableWalk(file, geometry, externalData, skipEmpty, expected, report);
  }

  /**
   * Checks an image.
   *
   * @param file open for reading; stays open
   * @param findings told of each finding, in the order they are made
   * @throws ImageException if it is no qcow2 image, or one whose header leaves nothing to check
   */
  public static CheckResult check(HostFile file, Consumer<Finding> findings) throws ImageException {
    return open(file, findings).run();
  }

  /**
   * As the other, with more than QEMU's check does.
   *
   * @param explanations receives what the findings mean, if that is wanted
   */
  public static CheckResult check(
      HostFile file, CheckExtras extras, Consumer<Finding> findings, List<Explanation> explanations)
      throws ImageException {
    return extras.explain()
        ? Explainer.check(file, extras, findings, explanations)
        : open(file, findings).with(extras).run();
  }

  /** Has the check do more; before it runs. */
  Checker with(CheckExtras extras) {
    tables.tell(extras.progress());
    if (extras.data()) {
      tables.decompress(new CompressedReader(file.file(), geometry, header.compressionType() == 1));
    }
    return this;
  }

  /** Makes a checker for a file whose header is good enough. */
  static Checker open(HostFile file, Consumer<Finding> findings) throws ImageException {
    return open(file, Qcow2Opener.decodeHeader(file), false, findings);
  }

  /**
   * As {@link #open(HostFile, Consumer)}, as if the file had this header.
   *
   * @param skipEmpty whether L1 entries with flags and no L2 table are nothing
   */
  static Checker open(HostFile file, Header header, boolean skipEmpty, Consumer<Finding> findings)
      throws ImageException {
    HeaderValidator.validateForCheck(file.path(), header);
    String dataFile = header.extensionText(HeaderExtension.DATA_FILE);
    if (header.has(IncompatibleFeature.EXTERNAL_DATA_FILE)
        && (dataFile == null || dataFile.isEmpty())) {
      throw ImageException.corrupt(file.path(), "'data-file' is required for this image");
    }
    if (header.cryptMethod() == 2 && header.extension(HeaderExtension.ENCRYPTION) == null) {
      throw ImageException.corrupt(file.path(), "Missing CRYPTO header for crypt method 2");
    }
    return new Checker(file, header, skipEmpty, findings);
  }

  /** The header that was checked. */
  Header header() {
    return header;
  }

  /** The uses that were counted. */
  ExpectedRefcounts expected() {
    return expected;
  }

  /** The refcounts that the image records; null if the check did not come that far. */
  @Nullable StoredRefcounts stored() {
    return storedRefcounts;
  }

  /** The active L1 table as far as the file has it. */
  long[] active() {
    return active;
  }

  /** Host offsets of the refcount blocks that are among the counted uses. */
  List<Long> countedBlocks() {
    return countedBlocks;
  }

  /** Whether the uses of a range were counted. */
  boolean counted(long hostOffset, long bytes) {
    return tables.countable(hostOffset, bytes);
  }

  /** Whether the flags of active entries are all noted in {@link #expected}. */
  boolean flagsKnown() {
    return !tables.flagsUnknown() && !externalData;
  }

  /** Whether L1 entries have flags and no L2 table. */
  boolean emptyEntries() {
    return tables.emptyEntries();
  }

  /** Whether something that is read as a table lies in the header's cluster. */
  boolean tableInHeader() {
    return tables.tableInHeader();
  }

  /** Whether an L1, L2 or snapshot table ends in the cluster behind the end of the file. */
  boolean tableCutOff() {
    return tables.tableCutOff();
  }

  /** How often each L2 table is named. */
  Uses l2Tables() {
    return tables.uses();
  }

  /** The L1 tables of snapshots that were gone through, and how many snapshots have each. */
  Map<L1Table, Long> snapshotTables() {
    return snapshotTables;
  }

  /** Whether snapshots lack the extra data that version 3 demands, and can be given it. */
  boolean incompleteSnapshots() {
    return incompleteSnapshots && counted(header.snapshotTableOffset(), snapshotTableBytes);
  }

  /** Length of the snapshot table. */
  long snapshotTableBytes() {
    return snapshotTableBytes;
  }

  /** The host offset behind the last cluster that is used or has a refcount. */
  long endOffset() {
    return highest + 1 << geometry.clusterBits();
  }

  /** The snapshots, in the order of their table. */
  List<SnapshotReferences.Entry> snapshots() {
    return snapshots;
  }

  /** Runs the check; once. */
  CheckResult run() {
    String failure = null;
    SnapshotReferences snapshots = null;
    try {
      snapshots = SnapshotReferences.read(file, header, geometry);
      failure = snapshots.fault();
      if (failure != null) {
        report.add(
            Kind.SNAPSHOT_TABLE_UNREADABLE,
            TableWalk.SNAPSHOTS,
            header.snapshotTableOffset(),
            Finding.NONE,
            1,
            "ERROR " + failure);
      } else if (fileClusters > MOST_CLUSTERS) {
        failure = "the file has more than " + MOST_CLUSTERS + " clusters";
        unreadable(failure);
      } else {
        incompleteSnapshots = !snapshots.incomplete().isEmpty();
        for (int i : snapshots.incomplete()) {
          snapshot(String.format("ERROR snapshot table entry %d is incomplete", i));
        }
        references(snapshots);
      }
    } catch (ImageException e) {
      failure = e.detail();
      unreadable(failure);
    }
    return new CheckResult(
        report.corruptions,
        report.leaks,
        report.checkErrors,
        clusters(header.size() & ~511L),
        tables.allocated,
        tables.fragmented,
        tables.compressed,
        failure == null ? highest + 1 << geometry.clusterBits() : 0,
        unusable,
        failure);
  }

  private void unreadable(String detail) {
    report.add(Kind.UNREADABLE, "image", Finding.NONE, Finding.NONE, 1, "ERROR: " + detail);
  }

  private void snapshot(String text) {
    report.add(
        Kind.SNAPSHOT, TableWalk.SNAPSHOTS, header.snapshotTableOffset(), Finding.NONE, 1, text);
  }

  private long clusters(long bytes) {
    return (bytes >>> geometry.clusterBits()) + (geometry.inCluster(bytes) == 0 ? 0 : 1);
  }

  private void use(String structure, long hostOffset, long bytes) {
    tables.use(structure, hostOffset, bytes, Finding.NONE, 1, 0);
  }

  // ------------------------------------------------------------------------------------ references

  /** A snapshot's L1 table. */
  record L1Table(long hostOffset, long entries) {}

  private void references(SnapshotReferences snapshots) throws ImageException {
    this.snapshots = snapshots.entries();
    this.snapshotTableBytes = snapshots.bytes();
    use("header", 0, geometry.clusterSize());
    active = readTable(header.l1Offset(), header.l1Entries());
    collectSnapshotTables(snapshots);
    Map<L1Table, Long> others = snapshotTables;
    tables.note(active, true, 1);
    for (Map.Entry<L1Table, Long> other : others.entrySet()) {
      tables.note(read(other.getKey()), false, other.getValue());
    }
    use(TableWalk.L1, header.l1Offset(), header.l1Entries() * 8);
    tables.walk(active, true, 1);
    if (externalData && header.snapshotCount() > 0) {
      snapshot(String.format("ERROR %d snapshots in image with data file", header.snapshotCount()));
    }
    for (SnapshotReferences.Entry entry : snapshots.entries()) {
      String fault = l1Fault(entry);
      if (fault != null) {
        snapshot(String.format("ERROR snapshot %s %s", entry.label(file), fault));
      }
    }
    for (Map.Entry<L1Table, Long> other : others.entrySet()) {
      L1Table table = other.getKey();
      tables.use(
          TableWalk.L1, table.hostOffset, table.entries * 8, Finding.NONE, other.getValue(), 0);
      tables.walk(read(table), false, other.getValue());
    }
    use(TableWalk.SNAPSHOTS, header.snapshotTableOffset(), snapshots.bytes());
    long refcountEntries = header.refcountTableClusters() << geometry.clusterBits() - 3;
    use("refcount table", header.refcountTableOffset(), refcountEntries * 8);
    encryptionHeader();
    useBitmaps();
    StoredRefcounts stored =
        new StoredRefcounts(
            file,
            geometry,
            new RefcountWidth(header.refcountOrder()),
            readTable(header.refcountTableOffset(), refcountEntries));
    storedRefcounts = stored;
    useBlocks(stored);
    RefcountComparison comparison =
        new RefcountComparison(file, geometry, expected, stored, report);
    comparison.run();
    highest = comparison.highest();
    unusable |= comparison.unusable();
    if (comparison.flagsWrong() || tables.flagsUnknown() || externalData) {
      tables.reportFlags(active, stored::get, report);
    }
  }

  private void collectSnapshotTables(SnapshotReferences snapshots) throws ImageException {
    long bytes = 0;
    for (SnapshotReferences.Entry entry : snapshots.entries()) {
      if (l1Fault(entry) == null && entry.l1Entries() > 0) {
        L1Table table = new L1Table(entry.l1Offset(), entry.l1Entries());
        if (snapshotTables.merge(table, 1L, Long::sum) == 1) {
          bytes += Math.max(0, Math.min(table.entries * 8, file.length() - table.hostOffset));
        }
      }
    }
    // Tables that do not overlap are no longer than the file.
    if (bytes / 4 > file.length() + SNAPSHOT_L1_BYTES / 4) {
      throw ImageException.corrupt(
          file.file().path(), "the L1 tables of the snapshots overlap each other too often");
    }
  }

  private @Nullable String l1Fault(SnapshotReferences.Entry entry) {
    if (geometry.inCluster(entry.l1Offset()) != 0) {
      return String.format(
          "l1_offset=0x%x: L1 table is not cluster aligned; snapshot table entry corrupted",
          entry.l1Offset());
    }
    if (entry.l1Entries() > FormatLimits.MAX_L1_BYTES / 8) {
      return String.format(
          "l1_size=0x%x: L1 table is too large; snapshot table entry corrupted", entry.l1Entries());
    }
    return null;
  }

  /** Reports to {@code to} once more where recorded refcounts differ from the uses. */
  void compareAgain(StoredRefcounts stored, Consumer<Finding> to) {
    new RefcountComparison(file, geometry, expected, stored, new Report(to)).run();
  }

  /** Reports to {@code to} the COPIED flags that contradict these refcounts. */
  void reportFlags(CopiedFlags.Refcounts refcounts, Consumer<Finding> to) throws ImageException {
    if (!flagsKnown() || expected.flagsWrong()) {
      tables.reportFlags(active, refcounts, new Report(to));
    }
  }

  /** A checker for the same file and header. */
  Checker again(Consumer<Finding> findings) throws ImageException {
    return open(file.file(), header, false, findings);
  }

  /** Reads an L1 table; what is past the end of the file is left out, being 0. */
  long[] read(L1Table table) throws ImageException {
    return readTable(table.hostOffset, table.entries);
  }

  /** Reads a table of words; what is past the end of the file is left out, being 0. */
  private long[] readTable(long hostOffset, long entries) throws ImageException {
    if (!CheckedFile.readable(hostOffset, entries * 8)) {
      throw new ImageException(
          ErrorKind.IO,
          file.file().path(),
          String.format("a table cannot be at host offset 0x%x", hostOffset));
    }
    long inFile = Math.max(0, Math.min(entries, file.length() - hostOffset + 7 >> 3));
    long[] words = new long[(int) inFile];
    DataBuffer piece = DataBuffer.allocate((int) Math.min(PIECE, Math.max(8, inFile * 8)));
    int done = 0;
    while (done < words.length) {
      int count = Math.min(words.length - done, piece.capacity() / 8);
      file.read(hostOffset + done * 8L, piece, count * 8);
      piece.bytes().slice(0, count * 8).asLongBuffer().get(words, done, count);
      done += count;
    }
    return words;
  }

  private void encryptionHeader() {
    byte[] extension = header.extension(HeaderExtension.ENCRYPTION);
    if (header.cryptMethod() == 2 && extension != null && extension.length >= 16) {
      ByteBuffer in = ByteBuffer.wrap(extension);
      use("encryption header", in.getLong(0), in.getLong(8));
    }
  }

  private void useBitmaps() throws ImageException {
    use(TableWalk.BITMAP_DIRECTORY, bitmaps.directoryOffset(), bitmaps.directoryBytes());
    for (BitmapReferences.Table table : bitmaps.tables()) {
      use(TableWalk.BITMAP_TABLE, table.hostOffset(), table.entries() * 8);
      for (long entry : readTable(table.hostOffset(), table.entries())) {
        long offset = entry & Geometry.OFFSET_MASK;
        if ((entry & BitmapReferences.RESERVED) != 0
            || offset != 0 && ((entry & 1) != 0 || geometry.inCluster(offset) != 0)) {
          report.add(
              Kind.BITMAP,
              TableWalk.BITMAP_TABLE,
              offset,
              Finding.NONE,
              1,
              String.format("ERROR invalid bitmap table entry: %x", entry));
          throw ImageException.corrupt(
              file.file().path(), String.format("invalid bitmap table entry %x", entry));
        }
        if (offset != 0) {
          use("bitmap", offset, geometry.clusterSize());
        }
      }
    }
  }

  private void useBlocks(StoredRefcounts stored) {
    for (int i = 0; i < stored.entries(); i++) {
      long entry = stored.entry(i);
      long offset = stored.offset(i);
      if (entry == 0) {
        continue;
      }
      if ((entry & StoredRefcounts.RESERVED) != 0) {
        block(offset, 0, String.format("ERROR refcount table entry %d has reserved bits set", i));
      } else if (geometry.inCluster(offset) != 0) {
        block(
            offset,
            0,
            String.format(
                "ERROR refcount block %d is not cluster aligned; refcount table entry corrupted",
                i));
      } else if (offset >>> geometry.clusterBits() >= expected.clusters()) {
        block(offset, 0, String.format("ERROR refcount block %d is outside image", i));
      } else {
        use("refcount block", offset, geometry.clusterSize());
        countedBlocks.add(offset);
        long count = expected.count(offset >>> geometry.clusterBits());
        if (count != 1) {
          block(
              offset,
              count,
              String.format(
                  "ERROR refcount block %d refcount=%s", i, Long.toUnsignedString(count)));
        }
      }
    }
  }

  private void block(long offset, long count, String text) {
    unusable = true;
    report.add(
        new Finding(
            Kind.REFCOUNT_BLOCK, "refcount table", offset, Finding.NONE, 1, count, 1, text));
  }
}
