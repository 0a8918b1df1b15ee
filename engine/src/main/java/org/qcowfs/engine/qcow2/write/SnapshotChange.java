package org.qcowfs.engine.qcow2.write;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.format.FormatLimits;
import org.qcowfs.engine.qcow2.format.Geometry;
import org.qcowfs.engine.qcow2.refcount.Refcounts;
import org.qcowfs.engine.qcow2.refcount.ShadowRefcounts;
import org.qcowfs.engine.qcow2.snapshot.RawSnapshotTable;

/**
 * One change of the snapshots, made out of place and put in force by one write of the header (rule
 * W4).
 *
 * <p>Refcounts and COPIED flags must agree at every instant (rule W3), and a snapshot changes both
 * for every cluster of the disk. So nothing that the header reaches is touched: the refcount blocks
 * and table, the active L1 table, the active L2 tables whose flags change, and the snapshot table
 * are written anew, made durable, and named together in one sector. A crash before that leaves
 * clusters in use by nobody, at most; a crash after it leaves nothing.
 *
 * <p>The caller holds every guest range, the flush lock and the metadata lock; all metadata is
 * clean. One use.
 */
final class SnapshotChange {
  /** An L1 table: the disk's or a snapshot's. */
  record L1(long hostOffset, long[] entries) {}

  /**
   * What the header is to name.
   *
   * @param l1 the active L1 table
   * @param size the guest disk's size
   */
  record Result(
      L1 l1,
      long size,
      long refcountTableOffset,
      long[] refcountTable,
      long snapshotTableOffset,
      RawSnapshotTable snapshotTable) {}

  private final HostFile file;
  private final Geometry geometry;
  private final Refcounts refcounts;
  private final boolean externalData;
  private final List<Long> allocated = new ArrayList<>();
  private final List<Long> allocatedClusters = new ArrayList<>();
  private final DataBuffer table;
  private boolean switching;

  SnapshotChange(HostFile file, Geometry geometry, Refcounts refcounts, boolean externalData) {
    this.file = file;
    this.geometry = geometry;
    this.refcounts = refcounts;
    this.externalData = externalData;
    this.table = DataBuffer.allocate((int) geometry.clusterSize());
  }

  /** Whether the header may already have been written: a failure then leaves an unknown state. */
  boolean switching() {
    return switching;
  }

  /** Reads the L1 table at {@code hostOffset}. */
  static L1 readL1(HostFile file, long hostOffset, int count) throws ImageException {
    DataBuffer bytes = DataBuffer.allocate(Math.max(8, count * 8), 8);
    if (file.read(hostOffset, bytes, 0, count * 8) < count * 8) {
      throw ImageException.corrupt(
          file.path(),
          String.format(
              "the L1 table at host offset 0x%x reaches past the end of the file", hostOffset));
    }
    long[] entries = new long[count];
    for (int i = 0; i < count; i++) {
      entries[i] = bytes.bytes().getLong(i * 8);
    }
    return new L1(hostOffset, entries);
  }

  /** The old active tables become the snapshot's; the disk goes on with copies. */
  Result create(L1 active, long size, long oldTable, int oldBytes, RawSnapshotTable snapshots)
      throws ImageException {
    long[] l2 = allocateEach(tables(active));
    Places places = allocatePlaces(active.entries.length, snapshots);
    ShadowRefcounts counts = refcounts.shadow();
    forEachData(active, +1, counts);
    long[] entries = copyTables(active, l2, counts);
    return finish(places, entries, size, counts, oldTable, oldBytes, snapshots);
  }

  /** The snapshot's references go; what is the disk's alone again gets its COPIED flags. */
  Result delete(
      L1 active, L1 snapshot, long size, long oldTable, int oldBytes, RawSnapshotTable snapshots)
      throws ImageException {
    long[] l2 = allocateEach(tables(active));
    Places places = allocatePlaces(active.entries.length, snapshots);
    ShadowRefcounts counts = refcounts.shadow();
    drop(snapshot, counts);
    forEachTable(active, -1, counts); // the copies take their place
    long[] entries = copyTables(active, l2, counts);
    dropL1(active, counts);
    return finish(places, entries, size, counts, oldTable, oldBytes, snapshots);
  }

  /** The disk becomes what the snapshot is, with tables of its own. */
  Result apply(
      L1 active, L1 snapshot, long size, long oldTable, int oldBytes, RawSnapshotTable snapshots)
      throws ImageException {
    long[] l2 = allocateEach(tables(snapshot));
    int entriesNeeded = (int) Math.max(snapshot.entries.length, geometry.l1EntriesFor(size));
    Places places = allocatePlaces(entriesNeeded, snapshots);
    ShadowRefcounts counts = refcounts.shadow();
    forEachData(snapshot, +1, counts);
    drop(active, counts);
    long[] entries = copyTables(snapshot, l2, counts);
    return finish(
        places, Arrays.copyOf(entries, entriesNeeded), size, counts, oldTable, oldBytes, snapshots);
  }

  /** Gives back what was allocated, after a failure before the header was written. */
  void abandon() throws ImageException {
    for (int i = 0; i < allocated.size(); i++) {
      refcounts.change(allocated.get(i), allocatedClusters.get(i) << geometry.clusterBits(), -1);
    }
  }

  // ------------------------------------------------------------------------------------ references

  private int tables(L1 l1) {
    int count = 0;
    for (long entry : l1.entries) {
      count += (entry & Geometry.OFFSET_MASK) == 0 ? 0 : 1;
    }
    return count;
  }

  /** Everything an L1 table reaches, and itself, loses one reference. */
  private void drop(L1 l1, ShadowRefcounts counts) throws ImageException {
    forEachData(l1, -1, counts);
    forEachTable(l1, -1, counts);
    dropL1(l1, counts);
  }

  private void dropL1(L1 l1, ShadowRefcounts counts) throws ImageException {
    if (l1.entries.length > 0) {
      counts.change(l1.hostOffset, l1.entries.length * 8L, -1);
    }
  }

  private void forEachTable(L1 l1, int change, ShadowRefcounts counts) throws ImageException {
    for (long entry : l1.entries) {
      long l2 = entry & Geometry.OFFSET_MASK;
      if (l2 != 0) {
        counts.change(l2, geometry.clusterSize(), change);
      }
    }
  }

  private void forEachData(L1 l1, int change, ShadowRefcounts counts) throws ImageException {
    for (long entry : l1.entries) {
      long l2 = entry & Geometry.OFFSET_MASK;
      if (l2 == 0) {
        continue;
      }
      readTable(l2);
      int step = 8 << geometry.l2EntryWordBits();
      for (int at = 0; at < table.capacity(); at += step) {
        long word = table.bytes().getLong(at);
        if ((word & Geometry.COMPRESSED) != 0) {
          long descriptor = word & ~(Geometry.COMPRESSED | Geometry.COPIED);
          counts.change(
              geometry.compressedOffset(descriptor), geometry.compressedBytes(descriptor), change);
        } else if (!externalData && (word & Geometry.OFFSET_MASK) != 0) {
          counts.change(word & Geometry.OFFSET_MASK, geometry.clusterSize(), change);
        }
      }
    }
  }

  private void readTable(long l2) throws ImageException {
    if (geometry.inCluster(l2) != 0
        || file.read(l2, table, 0, table.capacity()) < table.capacity()) {
      throw ImageException.corrupt(
          file.path(),
          String.format(
              "an L1 entry names an L2 table at 0x%x, not a cluster of the file; repair the image"
                  + " before changing its snapshots",
              l2));
    }
  }

  /** Copies the L2 tables an L1 table names, with COPIED as the new counts have it. */
  private long[] copyTables(L1 source, long[] places, ShadowRefcounts counts)
      throws ImageException {
    long[] entries = new long[source.entries.length];
    int next = 0;
    for (int i = 0; i < entries.length; i++) {
      long l2 = source.entries[i] & Geometry.OFFSET_MASK;
      if (l2 == 0) {
        continue;
      }
      readTable(l2);
      setFlags(counts);
      long place = places[next++];
      file.write(place, table, 0, table.capacity());
      entries[i] = place | Geometry.COPIED;
    }
    return entries;
  }

  private void setFlags(ShadowRefcounts counts) {
    if (externalData) {
      return; // data clusters have no refcounts there, and COPIED is always set
    }
    ByteBuffer words = table.bytes();
    int step = 8 << geometry.l2EntryWordBits();
    for (int at = 0; at < table.capacity(); at += step) {
      long word = words.getLong(at);
      if ((word & Geometry.COMPRESSED) == 0 && (word & Geometry.OFFSET_MASK) != 0) {
        boolean own = counts.get(word & Geometry.OFFSET_MASK) == 1;
        words.putLong(at, own ? word | Geometry.COPIED : word & ~Geometry.COPIED);
      }
    }
  }

  // -------------------------------------------------------------------------------------- places

  /** Where the new tables go. */
  private record Places(long l1, long snapshotTable, long refcountTable, long[] blocks) {}

  private Places allocatePlaces(int l1Entries, RawSnapshotTable snapshots) throws ImageException {
    if (l1Entries * 8L > FormatLimits.MAX_L1_BYTES) {
      throw ImageException.corrupt(
          file.path(), "the L1 table would have " + l1Entries + " entries, more than allowed");
    }
    long l1 = l1Entries == 0 ? 0 : allocate(clusters(l1Entries * 8L));
    int tableBytes = snapshots.bytes().length;
    long snapshotTable = tableBytes == 0 ? 0 : allocate(clusters(tableBytes));
    long refcountTable = allocate(clusters(refcounts.stored().tableEntries() * 8));
    // Allocating places for blocks may itself make a block, which needs a place too.
    List<Long> blocks = new ArrayList<>();
    while (blocks.size() < refcounts.stored().count()) {
      blocks.add(allocate(1));
    }
    return new Places(
        l1, snapshotTable, refcountTable, blocks.stream().mapToLong(Long::longValue).toArray());
  }

  private long[] allocateEach(int count) throws ImageException {
    long[] places = new long[count];
    for (int i = 0; i < count; i++) {
      places[i] = allocate(1);
    }
    return places;
  }

  private long allocate(long clusters) throws ImageException {
    long place = refcounts.allocateAdjacent(clusters);
    while (place == 0) {
      if (!allocated.isEmpty()) {
        // Growing moves the table while its new size is already planned for.
        throw new TableFullException();
      }
      refcounts.growTable();
      place = refcounts.allocateAdjacent(clusters);
    }
    allocated.add(place);
    allocatedClusters.add(clusters);
    return place;
  }

  /** The refcount table is too small for the change: it must grow first. */
  static final class TableFullException extends RuntimeException {
    private static final long serialVersionUID = 1L;
  }

  private long clusters(long bytes) {
    return bytes + geometry.clusterSize() - 1 >>> geometry.clusterBits();
  }

  // ---------------------------------------------------------------------------------------- switch

  private Result finish(
      Places places,
      long[] l1Entries,
      long size,
      ShadowRefcounts counts,
      long oldTable,
      int oldBytes,
      RawSnapshotTable snapshots)
      throws ImageException {
    for (long block : refcounts.stored().offsets()) {
      counts.change(block, geometry.clusterSize(), -1);
    }
    counts.change(refcounts.stored().tableOffset(), refcounts.stored().tableEntries() * 8, -1);
    if (oldBytes > 0) {
      counts.change(oldTable, oldBytes, -1);
    }
    // More places than blocks can have been allocated only if a block was made for the last place.
    for (int i = refcounts.stored().count(); i < places.blocks.length; i++) {
      counts.change(places.blocks[i], geometry.clusterSize(), -1);
    }
    long[] refcountTable = counts.write(places.blocks);
    refcounts.stored().storeTable(places.refcountTable, refcountTable);
    store(places.l1, toBytes(l1Entries));
    store(places.snapshotTable, snapshots.bytes());
    switching = true;
    file.sync();
    writeHeader(places, l1Entries.length, size, refcountTable.length, snapshots.count());
    file.sync();
    return new Result(
        new L1(places.l1, l1Entries),
        size,
        places.refcountTable,
        refcountTable,
        places.snapshotTable,
        snapshots);
  }

  private static byte[] toBytes(long[] entries) {
    ByteBuffer bytes = ByteBuffer.allocate(entries.length * 8);
    bytes.asLongBuffer().put(entries);
    return bytes.array();
  }

  private void store(long hostOffset, byte[] bytes) throws ImageException {
    if (bytes.length == 0) {
      return;
    }
    // Whole clusters: what is behind the table must not be what was there before.
    int length = (int) (clusters(bytes.length) << geometry.clusterBits());
    DataBuffer buffer = DataBuffer.allocate(length);
    buffer.bytes().put(0, bytes);
    file.write(hostOffset, buffer, 0, length);
  }

  /** Header bytes 24 to 71, in one write within the first sector. */
  private void writeHeader(
      Places places, int l1Entries, long size, int tableEntries, int snapshotCount)
      throws ImageException {
    DataBuffer fields = DataBuffer.allocate(48, 8);
    file.read(24, fields, 0, 48);
    ByteBuffer out = fields.bytes();
    out.putLong(0, size);
    out.putInt(12, l1Entries).putLong(16, places.l1);
    out.putLong(24, places.refcountTable);
    out.putInt(32, (int) clusters(tableEntries * 8L));
    out.putInt(36, snapshotCount).putLong(40, places.snapshotTable);
    file.write(24, fields, 0, 48);
  }

  /** The error of a change that the image cannot take. */
  static ImageException tooFew(HostFile file) {
    return new ImageException(
        ErrorKind.NO_SPACE, file.path(), "the refcount table is full; no snapshot was changed");
  }
}
