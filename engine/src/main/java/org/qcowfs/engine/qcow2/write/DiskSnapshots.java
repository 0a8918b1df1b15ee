package org.qcowfs.engine.qcow2.write;

import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.model.SnapshotInfo;
import org.qcowfs.engine.qcow2.format.FormatLimits;
import org.qcowfs.engine.qcow2.format.Geometry;
import org.qcowfs.engine.qcow2.format.Header;
import org.qcowfs.engine.qcow2.mapping.MetadataGuard;
import org.qcowfs.engine.qcow2.refcount.MetadataMap;
import org.qcowfs.engine.qcow2.refcount.Refcounts;
import org.qcowfs.engine.qcow2.snapshot.RawSnapshotTable;
import org.qcowfs.engine.qcow2.snapshot.SnapshotTable;

/**
 * Creates, deletes and applies internal snapshots while the disk is open for writing.
 *
 * <p>An operation waits for the writes under way, keeps new ones out, and takes effect as one write
 * of the header ({@link SnapshotChange}).
 *
 * <p><b>Thread safety:</b> safe.
 */
final class DiskSnapshots {
  /** Makes the change for one operation, in the file's table and in {@code list}. */
  @FunctionalInterface
  private interface Operation {
    SnapshotChange.Result run(
        SnapshotChange change, SnapshotChange.L1 active, List<SnapshotInfo> list)
        throws ImageException;
  }

  /** Meanwhile nobody else may begin to write. */
  private static final long WRITERS_NANOS = 5_000_000_000L;

  private static final long DRAIN_NANOS = 30_000_000_000L;

  private final HostFile file;
  private final Geometry geometry;
  private final boolean externalData;
  private final ReentrantLock metadataLock;
  private final RangeLocks ranges;
  private final FlushPath flushPath;
  private final Refcounts refcounts;
  private final ActiveTables tables;
  private final MetadataMap metadata;
  private final MetadataGuard guard;

  /** The header as the file has it now; changed under the metadata lock. */
  private volatile Header header;

  private volatile SnapshotTable snapshots;

  DiskSnapshots(
      HostFile file,
      Header header,
      SnapshotTable snapshots,
      boolean externalData,
      ReentrantLock metadataLock,
      RangeLocks ranges,
      FlushPath flushPath,
      Refcounts refcounts,
      ActiveTables tables,
      MetadataMap metadata,
      MetadataGuard guard)
      throws ImageException {
    this.file = file;
    this.header = header;
    this.geometry = Geometry.of(header);
    this.snapshots = snapshots;
    this.externalData = externalData;
    this.metadataLock = metadataLock;
    this.ranges = ranges;
    this.flushPath = flushPath;
    this.refcounts = refcounts;
    this.tables = tables;
    this.metadata = metadata;
    this.guard = guard;
    markSnapshots();
  }

  List<SnapshotInfo> list() {
    return snapshots.snapshots();
  }

  /** As {@link org.qcowfs.engine.layer.Snapshotted.Writable#createSnapshot}. */
  SnapshotInfo create(String name) throws ImageException {
    change(
        (change, active, list) -> {
          Instant now = Instant.now();
          SnapshotInfo made =
              new SnapshotInfo(
                  snapshots.snapshots().size(),
                  nextId(),
                  name,
                  now.getEpochSecond(),
                  now.getNano(),
                  0,
                  0,
                  header.size(),
                  0, // as qemu-img
                  active.hostOffset(),
                  active.entries().length);
          list.add(made);
          return change.create(
              active,
              header.size(),
              header.snapshotTableOffset(),
              tableBytes(),
              rawTable().with(made));
        });
    return snapshots.snapshots().get(snapshots.snapshots().size() - 1);
  }

  /** As {@link org.qcowfs.engine.layer.Snapshotted.Writable#deleteSnapshot}. */
  void delete(SnapshotInfo snapshot) throws ImageException {
    change(
        (change, active, list) -> {
          int index = current(snapshot).index();
          list.remove(index);
          return change.delete(
              active,
              l1Of(snapshot),
              header.size(),
              header.snapshotTableOffset(),
              tableBytes(),
              rawTable().without(index));
        });
  }

  /** As {@link org.qcowfs.engine.layer.Snapshotted.Writable#applySnapshot}. */
  void apply(SnapshotInfo snapshot) throws ImageException {
    change(
        (change, active, list) ->
            change.apply(
                active,
                l1Of(snapshot),
                diskSizeOf(snapshot),
                header.snapshotTableOffset(),
                tableBytes(),
                rawTable()));
  }

  private SnapshotInfo current(SnapshotInfo wanted) throws ImageException {
    for (SnapshotInfo snapshot : snapshots.snapshots()) {
      if (snapshot.id().equals(wanted.id()) && snapshot.l1Offset() == wanted.l1Offset()) {
        return snapshot;
      }
    }
    throw new ImageException(ErrorKind.OUT_OF_BOUNDS, file.path(), "the snapshot is gone");
  }

  /** What the header is to say: something it may say, else nobody would open the image again. */
  private long diskSizeOf(SnapshotInfo wanted) throws ImageException {
    SnapshotInfo snapshot = current(wanted);
    long size = snapshot.diskSize();
    if (size < 0
        || size > FormatLimits.MAX_DISK_BYTES
        || geometry.l1EntriesFor(size) * 8 > FormatLimits.MAX_L1_BYTES) {
      throw ImageException.corrupt(
          file.path(),
          "snapshot table entry "
              + snapshot.index()
              + " has a disk size of "
              + Long.toUnsignedString(size)
              + " bytes; expected what an L1 table of at most "
              + FormatLimits.MAX_L1_BYTES / 8
              + " entries maps");
    }
    return size;
  }

  private SnapshotChange.L1 l1Of(SnapshotInfo wanted) throws ImageException {
    SnapshotInfo snapshot = current(wanted);
    if (geometry.inCluster(snapshot.l1Offset()) != 0 || snapshot.l1Offset() < 0) {
      throw ImageException.corrupt(
          file.path(), "snapshot table entry " + snapshot.index() + " has a bad L1 table offset");
    }
    return SnapshotChange.readL1(file, snapshot.l1Offset(), snapshot.l1Entries());
  }

  private RawSnapshotTable rawTable() throws ImageException {
    return RawSnapshotTable.read(file, header.snapshotTableOffset(), snapshots.snapshots().size());
  }

  private int tableBytes() {
    return (int) snapshots.bytes();
  }

  /** One more than the largest number used as an id (QEMU: find_new_snapshot_id). */
  private String nextId() {
    long largest = 0;
    for (SnapshotInfo snapshot : snapshots.snapshots()) {
      if (snapshot.id().matches("[0-9]{1,18}")) {
        largest = Math.max(largest, Long.parseLong(snapshot.id()));
      }
    }
    return Long.toString(largest + 1);
  }

  private void change(Operation operation) throws ImageException {
    if (externalData) {
      // Clusters there have no refcounts: a snapshot would share its data with the disk.
      throw new ImageException(
          ErrorKind.UNSUPPORTED,
          file.path(),
          "an image with an external data file cannot have internal snapshots");
    }
    String fault = snapshots.fault();
    if (fault != null) {
      throw ImageException.corrupt(file.path(), fault + "; repair the image first");
    }
    RangeLocks.Range everything = ranges.tryLockAll(WRITERS_NANOS);
    if (everything == null) {
      throw new ImageException(
          ErrorKind.IN_USE, file.path(), "writes that began before do not end; try again");
    }
    try {
      drain();
      flushPath.lock().lock();
      metadataLock.lock();
      try {
        flushPath.checkState();
        run(operation);
      } finally {
        metadataLock.unlock();
        flushPath.lock().unlock();
      }
    } finally {
      ranges.unlock(everything);
    }
  }

  /** Flushes until nothing is dirty and nothing waits to be given back. */
  private void drain() throws ImageException {
    long deadline = System.nanoTime() + DRAIN_NANOS;
    while (!flushPath.settle()) {
      if (System.nanoTime() > deadline) {
        throw new ImageException(
            ErrorKind.IN_USE, file.path(), "reads that began before do not end; try again");
      }
      LockSupport.parkNanos(100_000);
    }
  }

  private void run(Operation operation) throws ImageException {
    while (true) {
      SnapshotChange change = new SnapshotChange(file, geometry, refcounts, externalData);
      try {
        SnapshotChange.L1 active =
            SnapshotChange.readL1(file, header.l1Offset(), (int) header.l1Entries());
        List<SnapshotInfo> list = new ArrayList<>(snapshots.snapshots());
        adopt(operation.run(change, active, list), numbered(list));
        return;
      } catch (SnapshotChange.TableFullException e) {
        change.abandon();
        refcounts.growTable();
        guard.refcountTableMoved(
            refcounts.stored().tableOffset(), refcounts.stored().tableEntries());
      } catch (ImageException e) {
        if (change.switching() || e.kind() == ErrorKind.FAILED) {
          flushPath.fail(); // which tables the header names now is unknown (rule W7)
        } else {
          change.abandon();
        }
        throw e;
      }
    }
  }

  private void adopt(SnapshotChange.Result result, List<SnapshotInfo> list) throws ImageException {
    refcounts.adopt(result.refcountTableOffset(), result.refcountTable());
    header =
        header.withTables(
            result.size(),
            result.l1().entries().length,
            result.l1().hostOffset(),
            result.refcountTableOffset(),
            result.refcountTable().length * 8L >>> geometry.clusterBits(),
            result.snapshotTable().count(),
            result.snapshotTableOffset());
    snapshots = new SnapshotTable(list, result.snapshotTable().bytes().length, null);
    metadata.clear();
    metadata.add(0, geometry.clusterSize());
    refcounts.stored().markMetadata();
    tables.adopt(result.l1().hostOffset(), result.l1().entries(), metadata);
    markSnapshots();
    guard.moved(header, snapshots.bytes());
  }

  /** The list with each snapshot's place in the table. */
  private static List<SnapshotInfo> numbered(List<SnapshotInfo> list) {
    List<SnapshotInfo> numbered = new ArrayList<>();
    for (SnapshotInfo s : list) {
      numbered.add(s.withIndex(numbered.size()));
    }
    return List.copyOf(numbered);
  }

  private void markSnapshots() throws ImageException {
    if (snapshots.bytes() > 0) {
      metadata.add(header.snapshotTableOffset(), snapshots.bytes());
    }
    metadata.addSnapshots(snapshots.snapshots(), file.length());
  }
}
