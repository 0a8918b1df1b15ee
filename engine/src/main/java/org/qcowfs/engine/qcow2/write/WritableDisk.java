package org.qcowfs.engine.qcow2.write;

import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.layer.WritableLayer.GuestReader;
import org.qcowfs.engine.model.SnapshotInfo;
import org.qcowfs.engine.model.WriteStatistics;
import org.qcowfs.engine.qcow2.cache.MetadataCache;
import org.qcowfs.engine.qcow2.format.Geometry;
import org.qcowfs.engine.qcow2.format.Header;
import org.qcowfs.engine.qcow2.format.IncompatibleFeature;
import org.qcowfs.engine.qcow2.mapping.DiskTable;
import org.qcowfs.engine.qcow2.mapping.L2Decoder;
import org.qcowfs.engine.qcow2.mapping.MetadataGuard;
import org.qcowfs.engine.qcow2.refcount.HostSpace;
import org.qcowfs.engine.qcow2.refcount.MetadataMap;
import org.qcowfs.engine.qcow2.refcount.Refcounts;
import org.qcowfs.engine.qcow2.snapshot.SnapshotTable;

/**
 * The active disk of an image opened for writing.
 *
 * <p>The unit of mapping is the cluster, or with extended L2 entries the subcluster; a standard
 * cluster is treated as one of which everything is allocated or nothing. This class wires the parts
 * and keeps the state; {@link WritePath}, {@link ZeroPath}, {@link CopyUpPath} and {@link
 * ReservePath} change the tables, {@link FlushPath} makes the changes durable.
 *
 * <p><b>Thread safety:</b> safe; see {@link RangeLocks} and the package description.
 */
public final class WritableDisk {
  private final HostFile file;
  private final Header header;
  private final long clusterSize;
  private final ReentrantLock metadataLock = new ReentrantLock();
  private final ReadGate readers = new ReadGate();
  private final HostSpace space;
  private final Refcounts refcounts;
  private final ActiveTables tables;
  private final PendingFrees frees;
  private final FlushPath flushPath;
  private final DiskTable reading;
  private final WritePath writePath;
  private final ZeroPath zeroPath;
  private final ReservePath reservePath;
  private final CompressPath compressPath;
  private final CopyUpPath copyUpPath;
  private final RangeCopyPath rangeCopyPath;
  private final DiskSnapshots snapshots;

  /** Whether rule W6 has been kept; changed under the metadata lock. */
  private volatile boolean autoclearDone;

  /**
   * Prepares for writing; nothing is changed before the first write.
   *
   * @param visible the disk as the guest sees it, through the whole chain
   * @param punch whether host blocks of free clusters are given back
   * @throws ImageException kind {@code CORRUPT} if the refcount structures cannot be trusted
   */
  public WritableDisk(
      HostFile file,
      HostFile dataFile,
      Header header,
      L2Decoder decoder,
      MetadataGuard guard,
      MetadataCache cache,
      SnapshotTable snapshotTable,
      GuestReader visible,
      boolean punch)
      throws ImageException {
    this.file = file;
    this.header = header;
    this.clusterSize = header.clusterSize();
    Geometry geometry = Geometry.of(header);
    RangeLocks ranges = new RangeLocks();
    MetadataMap metadata = new MetadataMap(file.path(), geometry);
    metadata.add(0, clusterSize);
    this.space = new HostSpace(file, geometry);
    this.refcounts = Refcounts.load(file, header, metadata, space);
    this.tables = new ActiveTables(file, header, cache, metadataLock, metadata);
    this.frees = new PendingFrees(geometry, refcounts, metadataLock, readers, file, punch);
    this.flushPath = new FlushPath(file, dataFile, metadataLock, refcounts, tables, frees);
    this.reading =
        new DiskTable(
            file,
            geometry,
            decoder,
            tables.l1(),
            tables.l2(),
            header.l1Offset(),
            header.l1Entries());
    Clusters clusters =
        new Clusters(
            file,
            dataFile,
            header,
            visible,
            tables,
            metadataLock,
            ranges,
            metadata,
            guard,
            space,
            refcounts,
            frees,
            flushPath);
    this.writePath = new WritePath(clusters, flushPath);
    this.zeroPath = new ZeroPath(clusters, writePath, reading, flushPath);
    this.reservePath = new ReservePath(clusters, writePath, flushPath);
    this.compressPath = new CompressPath(clusters, flushPath);
    this.copyUpPath = new CopyUpPath(clusters, writePath, zeroPath, reading, flushPath);
    this.rangeCopyPath = new RangeCopyPath(clusters, writePath, flushPath);
    this.snapshots =
        new DiskSnapshots(
            file,
            header,
            snapshotTable,
            file != dataFile,
            metadataLock,
            ranges,
            flushPath,
            refcounts,
            tables,
            metadata,
            guard);
    checkMetadataInUse();
  }

  /** Metadata that the refcounts call free would be overwritten by the next allocation. */
  private void checkMetadataInUse() throws ImageException {
    metadataLock.lock();
    try {
      refcounts.requireInUse("header", 0, clusterSize);
      refcounts.requireInUse("active L1 table", header.l1Offset(), header.l1Entries() * 8);
      refcounts.requireInUse(
          "refcount table",
          header.refcountTableOffset(),
          header.refcountTableClusters() * clusterSize);
    } finally {
      metadataLock.unlock();
    }
  }

  /** Where reads find the disk. */
  public DiskTable reading() {
    return reading;
  }

  /** As {@link org.qcowfs.engine.layer.WritableLayer#beginRead}. */
  public int beginRead() {
    return readers.enter();
  }

  /** As {@link org.qcowfs.engine.layer.WritableLayer#endRead}. */
  public void endRead(int token) {
    readers.exit(token);
  }

  /** As {@link org.qcowfs.engine.layer.WritableLayer#write}. */
  public void write(long guestOffset, DataBuffer src, int position, int length)
      throws ImageException {
    if (length > 0) {
      prepare();
      try {
        writePath.write(guestOffset, src, position, length);
      } catch (ImageException e) {
        throw stopped(e);
      }
    }
  }

  /** As {@link org.qcowfs.engine.layer.WritableLayer#zero}. */
  public void zero(long guestOffset, long length, boolean unmap) throws ImageException {
    if (length > 0) {
      prepare();
      try {
        zeroPath.zero(guestOffset, length, unmap, false);
      } catch (ImageException e) {
        throw stopped(e);
      }
    }
  }

  /** As {@link org.qcowfs.engine.layer.WritableLayer#zeroHere}. */
  public void zeroHere(long guestOffset, long length) throws ImageException {
    if (length > 0) {
      prepare();
      try {
        zeroPath.zero(guestOffset, length, true, true);
      } catch (ImageException e) {
        throw stopped(e);
      }
    }
  }

  /** As {@link org.qcowfs.engine.layer.Compressing#writeCompressed}. */
  public void writeCompressed(long guestOffset, DataBuffer src, int position, int length)
      throws ImageException {
    prepare();
    try {
      compressPath.write(guestOffset, src, position, length);
    } catch (ImageException e) {
      throw stopped(e);
    }
  }

  /** As {@link org.qcowfs.engine.layer.RangeCopy#copyRange}. */
  public long copyRange(long guestOffset, HostFile source, long hostOffset, long length)
      throws ImageException {
    prepare();
    try {
      return rangeCopyPath.copy(guestOffset, source, hostOffset, length);
    } catch (ImageException e) {
      throw stopped(e);
    }
  }

  /** As {@link org.qcowfs.engine.layer.CopyUp#copyUp}. */
  public void copyUp(long guestOffset, DataBuffer src, int position, int length)
      throws ImageException {
    if (length > 0) {
      prepare();
      try {
        copyUpPath.copyUp(guestOffset, src, position, length);
      } catch (ImageException e) {
        throw stopped(e);
      }
    }
  }

  /** As {@link org.qcowfs.engine.layer.WritableLayer#allocate}. */
  public void allocate(long guestOffset, long length) throws ImageException {
    if (length > 0) {
      prepare();
      try {
        reservePath.reserve(guestOffset, length);
      } catch (ImageException e) {
        throw stopped(e);
      }
    }
  }

  /** The snapshots as they are now. */
  public List<SnapshotInfo> snapshots() {
    return snapshots.list();
  }

  /** As {@link org.qcowfs.engine.layer.Snapshotted.Writable#createSnapshot}. */
  public SnapshotInfo createSnapshot(String name) throws ImageException {
    prepare();
    try {
      return snapshots.create(name);
    } catch (ImageException e) {
      throw stopped(e);
    }
  }

  /** As {@link org.qcowfs.engine.layer.Snapshotted.Writable#deleteSnapshot}. */
  public void deleteSnapshot(SnapshotInfo snapshot) throws ImageException {
    prepare();
    try {
      snapshots.delete(snapshot);
    } catch (ImageException e) {
      throw stopped(e);
    }
  }

  /** As {@link org.qcowfs.engine.layer.Snapshotted.Writable#applySnapshot}. */
  public void applySnapshot(SnapshotInfo snapshot) throws ImageException {
    prepare();
    try {
      snapshots.apply(snapshot);
    } catch (ImageException e) {
      throw stopped(e);
    }
  }

  /** As {@link org.qcowfs.engine.layer.WritableLayer#flush}. */
  public void flush() throws ImageException {
    flushPath.flush();
  }

  /** As {@link org.qcowfs.engine.layer.WritableLayer#writeStatistics}. */
  public WriteStatistics statistics() {
    metadataLock.lock();
    try {
      return new WriteStatistics(
          refcounts.allocatedTotal(), writePath.copiedBytes(), flushPath.flushes());
    } finally {
      metadataLock.unlock();
    }
  }

  /**
   * Makes everything durable, gives back what was let go, and cuts the file to what is used. No
   * reader or writer may be under way.
   */
  public void close() throws ImageException {
    flushPath.checkState();
    while (!flushPath.settle()) {
      Thread.onSpinWait();
    }
    space.trim();
  }

  /** The file is no longer what the tables in memory say: nothing more is written. */
  public void fail() {
    flushPath.fail();
  }

  /**
   * After a failed change: where it met metadata that makes writing unsafe, what was written before
   * is made durable, the header is marked corrupt as QEMU does, and nothing is written any more.
   */
  private ImageException stopped(ImageException failure) {
    if (!failure.isUnsafe() || flushPath.isCorrupt()) {
      return failure;
    }
    try {
      flushPath.flush();
      flushPath.lock().lock();
      try {
        flushPath.checkState();
        flushPath.refuseCorrupt();
        markCorrupt();
      } finally {
        flushPath.lock().unlock();
      }
    } catch (ImageException e) {
      flushPath.refuseCorrupt();
      failure.addSuppressed(e);
    }
    return failure;
  }

  /** Version 2 has no such mark. */
  private void markCorrupt() throws ImageException {
    if (header.version() >= 3) {
      DataBuffer field = DataBuffer.allocate(8, 8);
      field.bytes().putLong(0, header.incompatible() | IncompatibleFeature.CORRUPT.mask());
      file.write(72, field, 0, 8);
      file.sync();
    }
  }

  /** Before each change: the state allows it, and rule W6 has been kept. */
  private void prepare() throws ImageException {
    flushPath.checkState();
    if (autoclearDone) {
      return;
    }
    metadataLock.lock();
    try {
      long unknown = header.autoclear() & ~3L;
      if (!autoclearDone && unknown != 0) {
        DataBuffer field = DataBuffer.allocate(8, 8);
        field.bytes().putLong(0, header.autoclear() & ~unknown);
        file.write(88, field, 0, 8);
        try {
          file.sync();
        } catch (ImageException e) {
          flushPath.fail();
          throw e;
        }
      }
      autoclearDone = true;
    } finally {
      metadataLock.unlock();
    }
  }
}
