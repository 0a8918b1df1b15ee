package org.qcowfs.engine.qcow2.check;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.check.Checker.L1Table;
import org.qcowfs.engine.qcow2.format.Geometry;
import org.qcowfs.engine.qcow2.format.Header;
import org.qcowfs.engine.qcow2.format.IncompatibleFeature;
import org.qcowfs.engine.qcow2.refcount.RefcountWidth;

/**
 * Makes new refcounts, an L1 table and, where an entry is wrong, L2 tables, snapshots' L1 tables
 * and a snapshot table behind everything that the image uses; entries that share a host cluster
 * more often than refcounts can say get copies of it.
 *
 * <p>Nothing that the header reaches is changed: the image becomes the new one when a header that
 * {@link #header} gives is written (rule W4). One use: {@link #plan}, then {@link #write}.
 */
final class Rebuild {
  private final HostFile file;
  private final CheckedFile input;
  private final Checker checker;
  private final Header header;
  private final Geometry geometry;
  private final ExpectedRefcounts counts;
  private final L2Mender mender;
  private final DataBuffer table;
  private final long clusterSize;
  private final long oldLength;

  /** L2 tables that are made anew, by host offset, and the new host offset. */
  private final Map<Long, Long> movedL2 = new LinkedHashMap<>();

  /** L1 tables of snapshots that are made anew, and the new host offset. */
  private final Map<L1Table, Long> movedL1 = new LinkedHashMap<>();

  private boolean entriesWrong;

  /** Host clusters are used more often than refcounts can say. */
  private boolean overflow;

  private long firstWritten;
  private long l1Offset;
  private byte @Nullable [] snapshotTable;
  private long snapshotTableOffset;
  private @Nullable NewRefcounts refcounts;

  Rebuild(HostFile file, Checker checker) throws ImageException {
    this.file = file;
    this.input = CheckedFile.of(file);
    this.checker = checker;
    this.header = checker.header();
    this.geometry = Geometry.of(header);
    this.counts = checker.expected();
    this.mender =
        new L2Mender(input, geometry, header.has(IncompatibleFeature.EXTERNAL_DATA_FILE), checker);
    this.clusterSize = geometry.clusterSize();
    this.table = DataBuffer.allocate((int) clusterSize);
    this.oldLength = file.length();
    this.l1Offset = header.l1Offset();
    this.snapshotTableOffset = header.snapshotTableOffset();
  }

  /**
   * Decides what to make, and where; writes nothing. The counts of the check are changed to those
   * of the new image.
   *
   * @param refcountsWrong whether new refcounts are needed in any case
   * @param entriesWrong whether L1 or L2 entries have other faults than COPIED flags
   * @param incomplete whether the snapshot table lacks what version 3 demands
   * @param firstBeyondEnd the lowest host offset that something refers to although it, or its end,
   *     is past the end of the file
   * @return false if nothing can be mended this way
   * @throws ImageException kind {@code CORRUPT} or {@code NO_SPACE} without errno if it cannot be
   *     done without harm
   */
  boolean plan(
      boolean refcountsWrong, boolean entriesWrong, boolean incomplete, long firstBeyondEnd)
      throws ImageException {
    this.entriesWrong = entriesWrong;
    takeBackOldTables();
    overflow = counts.excessive();
    if (checker.tableInHeader()) {
      throw ImageException.corrupt(
          file.path(),
          "a table lies in the header's cluster, and a repair changes the header; nothing was"
              + " changed");
    }
    chooseL2Tables();
    chooseL1Tables();
    boolean newSnapshots = incomplete || !movedL1.isEmpty();
    if (!refcountsWrong && !newSnapshots && movedL2.isEmpty() && !activeChanges()) {
      return false;
    }
    long first =
        file.resizable()
            ? Math.max(counts.clusters(), clusters(oldLength))
            : checker.endOffset() >>> geometry.clusterBits();
    firstWritten = first << geometry.clusterBits();
    place(first, newSnapshots);
    refuseOverlap(first, firstBeyondEnd);
    return true;
  }

  /** Bytes of the file once it is written. */
  long newLength() {
    return Math.max(oldLength, made().end() << geometry.clusterBits());
  }

  /** Where it is written. */
  UndoFile.Append written() {
    return new UndoFile.Append(
        Math.min(firstWritten, oldLength), made().end() << geometry.clusterBits());
  }

  /** What was planned, one line each. */
  List<String> actions() {
    List<String> actions = new ArrayList<>();
    actions.add(String.format("make a new L1 table at host offset 0x%x", l1Offset));
    if (!movedL2.isEmpty()) {
      actions.add(String.format("make %d L2 tables anew", movedL2.size()));
    }
    if (!mender.copies().isEmpty()) {
      actions.add(String.format("copy %d clusters that are shared", mender.copies().size()));
    }
    if (!movedL1.isEmpty()) {
      actions.add(String.format("make the L1 tables of %d snapshots anew", movedL1.size()));
    }
    if (snapshotTable != null) {
      actions.add("make the snapshot table anew");
    }
    actions.add(
        String.format(
            "make a new refcount table at host offset 0x%x, and %d refcount blocks",
            made().tableOffset(), made().blockCount()));
    actions.add(
        String.format("have the header name them; the file would be %d bytes long", newLength()));
    return actions;
  }

  private NewRefcounts made() {
    NewRefcounts made = refcounts;
    if (made == null) {
      throw new IllegalStateException("not planned");
    }
    return made;
  }

  private void refuseOverlap(long first, long firstBeyondEnd) throws ImageException {
    // One cluster more: a check takes what lies directly behind the end for a part of the file.
    if (firstBeyondEnd < made().end() + 1 << geometry.clusterBits()) {
      throw ImageException.corrupt(
          file.path(),
          String.format(
              "something refers to host offset 0x%x and past the end of the file, where a repair"
                  + " would write; nothing was changed",
              firstBeyondEnd));
    }
    if (!file.resizable() && newLength() > oldLength) {
      throw new ImageException(
          ErrorKind.NO_SPACE,
          file.path(),
          String.format(
              "a repair needs room up to host offset 0x%x, behind the image's end at 0x%x",
              newLength(), first << geometry.clusterBits()));
    }
  }

  // ------------------------------------------------------------------------------------- planning

  private long clusters(long bytes) {
    return bytes + clusterSize - 1 >>> geometry.clusterBits();
  }

  private void takeBackOldTables() {
    takeBack(header.l1Offset(), header.l1Entries() * 8, 1);
    takeBack(
        header.refcountTableOffset(), header.refcountTableClusters() << geometry.clusterBits(), 1);
    for (long block : checker.countedBlocks()) {
      takeBack(block, clusterSize, 1);
    }
  }

  private void takeBack(long hostOffset, long bytes, long times) {
    if (bytes > 0 && checker.counted(hostOffset, bytes)) {
      long last = hostOffset + bytes - 1 >>> geometry.clusterBits();
      for (long cluster = hostOffset >>> geometry.clusterBits(); cluster <= last; cluster++) {
        counts.subtract(cluster, times);
      }
    }
  }

  private boolean movable(L1Table snapshot) {
    return checker.counted(snapshot.hostOffset(), snapshot.entries() * 8);
  }

  /** Whether an L1 entry names an L2 table that can be moved. */
  private boolean copyable(long l2Offset) {
    return l2Offset != 0 && geometry.inCluster(l2Offset) == 0 && l2Offset < input.length();
  }

  private interface Visitor {
    /** Called with the table in memory. */
    void visit(long l2Offset, boolean active, long times) throws ImageException;
  }

  /** Reads each L2 table that can be moved once. */
  private void forEachL2(Visitor visitor) throws ImageException {
    checker.l2Tables().restart();
    forEachL2(checker.active(), visitor);
    if (entriesWrong || overflow) {
      for (L1Table snapshot : checker.snapshotTables().keySet()) {
        if (movable(snapshot)) {
          forEachL2(checker.read(snapshot), visitor);
        }
      }
    }
  }

  private void forEachL2(long[] entries, Visitor visitor) throws ImageException {
    Uses uses = checker.l2Tables();
    for (long entry : entries) {
      long l2 = entry & Geometry.OFFSET_MASK;
      if (copyable(l2) && uses.first(l2)) {
        input.read(l2, table, table.capacity());
        visitor.visit(l2, uses.active(l2) > 0, uses.all(l2));
      }
    }
  }

  private void chooseL2Tables() throws ImageException {
    if (entriesWrong) {
      forEachL2((l2, active, times) -> mender.count(table, times));
    }
    if (overflow) {
      forEachL2(
          (l2, active, times) -> {
            if (times == 1) {
              mender.separate(table, l2);
            }
          });
      if (counts.excessive()) {
        throw ImageException.corrupt(
            file.path(),
            "clusters are used more often than the image's refcounts can say, and copies do not"
                + " help; convert the image");
      }
    }
    boolean[] again = {entriesWrong || overflow || !checker.flagsKnown() || counts.flagsWrong()};
    while (again[0]) {
      again[0] = false;
      forEachL2(
          (l2, active, times) -> {
            if (!movedL2.containsKey(l2) && mender.mend(table, l2, active)) {
              long old = l2 >>> geometry.clusterBits();
              movedL2.put(l2, 0L);
              counts.subtract(old, times);
              // Data that names the old place may have it for itself now.
              again[0] |= counts.count(old) > 0;
            }
          });
    }
  }

  private void chooseL1Tables() throws ImageException {
    if (movedL2.isEmpty() && !entriesWrong && !checker.emptyEntries()) {
      return;
    }
    for (Map.Entry<L1Table, Long> snapshot : checker.snapshotTables().entrySet()) {
      L1Table l1 = snapshot.getKey();
      if (!movable(l1)) {
        continue;
      }
      for (long entry : checker.read(l1)) {
        if (movedL2.containsKey(entry & Geometry.OFFSET_MASK) || mended(entry, false) != entry) {
          movedL1.put(l1, 0L);
          takeBack(l1.hostOffset(), l1.entries() * 8, snapshot.getValue());
          break;
        }
      }
    }
  }

  private boolean activeChanges() {
    for (long entry : checker.active()) {
      if (mended(entry, true) != entry) {
        return true;
      }
    }
    return false;
  }

  /** An L1 entry as it is to be. */
  private long mended(long entry, boolean active) {
    long l2 = entry & Geometry.OFFSET_MASK;
    if (l2 == 0) {
      return 0;
    }
    long made = entriesWrong && copyable(l2) ? entry & ~Geometry.L1_RESERVED : entry;
    Long to = movedL2.get(l2);
    if (to != null) {
      l2 = to;
      made = made & ~Geometry.OFFSET_MASK | to;
    }
    if (!active) {
      return made;
    }
    boolean own = counts.count(l2 >>> geometry.clusterBits()) == 1;
    return own ? made | Geometry.COPIED : made & ~Geometry.COPIED;
  }

  private void place(long first, boolean newSnapshots) throws ImageException {
    long next = first;
    if (header.l1Entries() > 0) {
      l1Offset = next << geometry.clusterBits();
      next = take(next, header.l1Entries() * 8, 1);
    }
    for (Map.Entry<Long, Long> l2 : movedL2.entrySet()) {
      l2.setValue(next << geometry.clusterBits());
      next = take(next, clusterSize, checker.l2Tables().all(l2.getKey()));
    }
    for (Map.Entry<Long, Long> copy : mender.copies().entrySet()) {
      copy.setValue(next << geometry.clusterBits());
      next = take(next, clusterSize, 1);
    }
    for (Map.Entry<L1Table, Long> l1 : movedL1.entrySet()) {
      l1.setValue(next << geometry.clusterBits());
      Long times = checker.snapshotTables().get(l1.getKey());
      next = take(next, l1.getKey().entries() * 8, times == null ? 1 : times);
    }
    if (newSnapshots) {
      byte[] made = NewSnapshotTable.bytes(input, header, checker.snapshots(), movedL1);
      takeBack(header.snapshotTableOffset(), checker.snapshotTableBytes(), 1);
      snapshotTable = made;
      snapshotTableOffset = next << geometry.clusterBits();
      next = take(next, made.length, 1);
    }
    refcounts =
        new NewRefcounts(file, geometry, new RefcountWidth(header.refcountOrder()), counts, next);
  }

  private long take(long first, long bytes, long times) {
    long end = first + clusters(bytes);
    for (long cluster = first; cluster < end; cluster++) {
      counts.add(cluster, times, 0);
    }
    return end;
  }

  // -------------------------------------------------------------------------------------- writing

  /** Writes what was planned, and makes it durable; if that fails the file is cut again. */
  void write() throws ImageException {
    boolean written = false;
    try {
      writeL1(l1Offset, checker.active(), header.l1Entries(), true);
      for (Map.Entry<L1Table, Long> l1 : movedL1.entrySet()) {
        writeL1(l1.getValue(), checker.read(l1.getKey()), l1.getKey().entries(), false);
      }
      for (Map.Entry<Long, Long> copy : mender.copies().entrySet()) {
        input.read(copy.getKey(), table, 8);
        input.read(table.bytes().getLong(0) & Geometry.OFFSET_MASK, table, table.capacity());
        file.write(copy.getValue(), table, 0, table.capacity());
      }
      for (Map.Entry<Long, Long> l2 : movedL2.entrySet()) {
        input.read(l2.getKey(), table, table.capacity());
        mender.mend(table, l2.getKey(), checker.l2Tables().active(l2.getKey()) > 0);
        file.write(l2.getValue(), table, 0, table.capacity());
      }
      writeSnapshots();
      made().write();
      file.sync();
      written = true;
    } finally {
      if (!written) {
        undo();
      }
    }
  }

  /** Gives back what was written; nothing refers to it. */
  void undo() throws ImageException {
    if (file.resizable()) {
      file.truncate(oldLength);
    }
  }

  private void writeL1(long hostOffset, long[] old, long entries, boolean active)
      throws ImageException {
    long[] made = new long[old.length];
    for (int i = 0; i < old.length; i++) {
      made[i] = mended(old[i], active);
    }
    NewRefcounts.writeWords(file, hostOffset, made, clusters(entries * 8), table);
  }

  private void writeSnapshots() throws ImageException {
    byte[] bytes = snapshotTable;
    for (int at = 0; bytes != null && at < bytes.length; at += table.capacity()) {
      table.zero(0, table.capacity());
      table.bytes().put(0, bytes, at, Math.min(table.capacity(), bytes.length - at));
      file.write(snapshotTableOffset + at, table, 0, table.capacity());
    }
  }

  /** The header that names what was written. */
  Header header() {
    return header.withTables(
        header.size(),
        header.l1Entries(),
        l1Offset,
        made().tableOffset(),
        made().tableClusters(),
        header.snapshotCount(),
        snapshotTableOffset);
  }
}
