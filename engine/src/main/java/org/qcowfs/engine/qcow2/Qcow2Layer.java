package org.qcowfs.engine.qcow2;

import java.util.List;
import java.util.Objects;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.layer.BackingReference;
import org.qcowfs.engine.layer.Compressing;
import org.qcowfs.engine.layer.Compressor;
import org.qcowfs.engine.layer.CopyUp;
import org.qcowfs.engine.layer.Growable;
import org.qcowfs.engine.layer.Layer;
import org.qcowfs.engine.layer.Mapping;
import org.qcowfs.engine.layer.Preallocated;
import org.qcowfs.engine.layer.RangeCopy;
import org.qcowfs.engine.layer.Snapshotted;
import org.qcowfs.engine.layer.WritableLayer;
import org.qcowfs.engine.model.ImageInfo;
import org.qcowfs.engine.model.Preallocation;
import org.qcowfs.engine.model.Qcow2Info;
import org.qcowfs.engine.model.Qcow2Info.BitmapInfo;
import org.qcowfs.engine.model.SnapshotInfo;
import org.qcowfs.engine.model.WriteStatistics;
import org.qcowfs.engine.qcow2.cache.MetadataCache;
import org.qcowfs.engine.qcow2.change.Qcow2Resize;
import org.qcowfs.engine.qcow2.compress.CompressedReader;
import org.qcowfs.engine.qcow2.compress.Compressors;
import org.qcowfs.engine.qcow2.format.FormatLimits;
import org.qcowfs.engine.qcow2.format.Geometry;
import org.qcowfs.engine.qcow2.format.Header;
import org.qcowfs.engine.qcow2.format.HeaderExtension;
import org.qcowfs.engine.qcow2.format.IncompatibleFeature;
import org.qcowfs.engine.qcow2.mapping.DiskTable;
import org.qcowfs.engine.qcow2.mapping.L2Decoder;
import org.qcowfs.engine.qcow2.mapping.MetadataGuard;
import org.qcowfs.engine.qcow2.snapshot.SnapshotTable;
import org.qcowfs.engine.qcow2.write.WritableDisk;

/**
 * The active disk of a qcow2 image; {@link WritableDisk} does the writing.
 *
 * <p><b>Thread safety:</b> as {@link Layer}.
 */
final class Qcow2Layer
    implements WritableLayer,
        Growable,
        Snapshotted.Writable,
        Preallocated,
        Compressing,
        CopyUp,
        RangeCopy {
  private final HostFile file;
  private final HostFile dataFile;
  private volatile Header header;
  private final Geometry geometry;
  private final SnapshotTable snapshots;
  private final List<BitmapInfo> bitmaps;
  private final MetadataCache cache;
  private final MetadataGuard guard;
  private final L2Decoder decoder;
  private final boolean writable;
  private final boolean punch;
  private volatile DiskTable table;
  private volatile @Nullable WritableDisk disk;
  private @Nullable GuestReader visible;

  /** Requests hold it shared, growing exclusively; null where the disk never grows. */
  private @Nullable ReentrantReadWriteLock growth;

  private final CompressedReader compressed;
  private volatile @Nullable Boolean preallocated;

  /**
   * @param dataFile where guest clusters live: {@code file} itself but for an external data file
   * @param writable whether writes will be taken, once {@link #readThrough} has been called
   * @param punch whether host blocks of free clusters are given back
   */
  Qcow2Layer(
      HostFile file,
      HostFile dataFile,
      Header header,
      SnapshotTable snapshots,
      List<BitmapInfo> bitmaps,
      MetadataCache cache,
      boolean writable,
      boolean punch) {
    this.writable = writable;
    this.punch = punch;
    this.file = file;
    this.dataFile = dataFile;
    this.header = header;
    this.geometry = Geometry.of(header);
    this.snapshots = snapshots;
    this.bitmaps = bitmaps;
    this.cache = cache;
    this.guard = new MetadataGuard(file, header, cache, snapshots.bytes());
    this.decoder = new L2Decoder(file, dataFile, geometry, header.version(), guard);
    this.table =
        new DiskTable(file, geometry, decoder, cache, header.l1Offset(), header.l1Entries());
    this.compressed = new CompressedReader(file, geometry, header.compressionType() == 1);
  }

  @Override
  public HostFile file() {
    return file;
  }

  @Override
  public long size() {
    return header.size();
  }

  @Override
  public @Nullable BackingReference backing() {
    String name = header.backingName();
    return name == null
        ? null
        : new BackingReference(name, header.extensionText(HeaderExtension.BACKING_FORMAT));
  }

  @Override
  public void map(long guestOffset, long length, Mapping out) {
    enter();
    try {
      table.map(guestOffset, Math.min(length, header.size() - guestOffset), out);
    } finally {
      leave();
    }
  }

  @Override
  public void readCompressed(
      Mapping mapping, long guestOffset, DataBuffer dst, int position, int length)
      throws ImageException {
    compressed.read(mapping.descriptor(), guestOffset, dst, position, length);
  }

  @Override
  public void readThrough(GuestReader reader) throws ImageException {
    if (writable) {
      visible = reader;
      openForWriting(snapshots);
    }
  }

  private void openForWriting(SnapshotTable current) throws ImageException {
    GuestReader reader = Objects.requireNonNull(visible);
    WritableDisk opened =
        new WritableDisk(file, dataFile, header, decoder, guard, cache, current, reader, punch);
    disk = opened;
    table = opened.reading();
  }

  @Override
  public boolean writable() {
    return disk != null;
  }

  @Override
  public int beginRead() {
    enter();
    WritableDisk opened = disk;
    return opened == null ? 0 : opened.beginRead();
  }

  @Override
  public void endRead(int token) {
    WritableDisk opened = disk;
    if (opened != null) {
      opened.endRead(token);
    }
    leave();
  }

  @Override
  public void write(long guestOffset, DataBuffer src, int position, int length)
      throws ImageException {
    enter();
    try {
      disk().write(guestOffset, src, position, length);
    } finally {
      leave();
    }
  }

  @Override
  public void zero(long guestOffset, long length, boolean unmap) throws ImageException {
    enter();
    try {
      disk().zero(guestOffset, length, unmap);
    } finally {
      leave();
    }
  }

  @Override
  public void zeroHere(long guestOffset, long length) throws ImageException {
    enter();
    try {
      disk().zeroHere(guestOffset, length);
    } finally {
      leave();
    }
  }

  @Override
  public void endWrites() throws ImageException {
    WritableDisk ending = disk();
    disk = null;
    ending.close();
  }

  @Override
  public void allocate(long guestOffset, long length) throws ImageException {
    enter();
    try {
      disk().allocate(guestOffset, length);
    } finally {
      leave();
    }
  }

  @Override
  public void flush() throws ImageException {
    enter();
    try {
      disk().flush();
    } finally {
      leave();
    }
  }

  private void enter() {
    ReentrantReadWriteLock lock = growth;
    if (lock != null) {
      lock.readLock().lock();
    }
  }

  private void leave() {
    ReentrantReadWriteLock lock = growth;
    if (lock != null) {
      lock.readLock().unlock();
    }
  }

  @Override
  public void allowGrowth() {
    growth = new ReentrantReadWriteLock();
  }

  /** Ends the writing, resizes the file as if nobody had it open, and begins anew. */
  @Override
  public void grow(long newSize, long backingSize) throws ImageException {
    ReentrantReadWriteLock lock = Objects.requireNonNull(growth);
    lock.writeLock().lock();
    try {
      if (newSize <= header.size()) {
        return;
      }
      WritableDisk old = disk();
      old.close();
      boolean done = false;
      try {
        resize(newSize, backingSize);
        done = true;
      } finally {
        reopen(old, done);
      }
    } finally {
      lock.writeLock().unlock();
    }
  }

  private void resize(long newSize, long backingSize) throws ImageException {
    GuestReader reader = Objects.requireNonNull(visible);
    long sectors = newSize + 511 & -512L;
    HostFile data = dataFile == file ? null : dataFile;
    Qcow2Resize.resize(
        file, new Qcow2Resize.Request(sectors, Preallocation.OFF, backingSize, reader::read, data));
  }

  /** Takes the image as the file has it now; where that fails nothing more is written. */
  private void reopen(WritableDisk old, boolean resized) throws ImageException {
    boolean done = false;
    try {
      header = Qcow2Opener.readHeader(file);
      SnapshotTable current = SnapshotTable.read(file, header);
      guard.moved(header, current.bytes());
      openForWriting(current);
      done = true;
    } catch (ImageException e) {
      if (resized) {
        throw e;
      } // else why it was not resized is told
    } finally {
      if (!done) {
        old.fail();
      }
    }
  }

  @Override
  public int copyUnit() {
    return 1 << geometry.unitBits();
  }

  @Override
  public void copyUp(long guestOffset, DataBuffer src, int position, int length)
      throws ImageException {
    enter();
    try {
      disk().copyUp(guestOffset, src, position, length);
    } finally {
      leave();
    }
  }

  @Override
  public WriteStatistics writeStatistics() {
    return disk == null ? new WriteStatistics(0, 0, 0) : disk.statistics();
  }

  @Override
  public int compressedUnit() {
    return (int) geometry.clusterSize();
  }

  @Override
  public Compressor newCompressor() {
    return Compressors.of(header.compressionType() == 1);
  }

  @Override
  public void writeCompressed(long guestOffset, DataBuffer src, int position, int length)
      throws ImageException {
    compressed.storing();
    disk().writeCompressed(guestOffset, src, position, length);
  }

  @Override
  public int copyRangeUnit() {
    return (int) geometry.clusterSize();
  }

  @Override
  public long copyRange(long guestOffset, HostFile source, long hostOffset, long length)
      throws ImageException {
    return disk().copyRange(guestOffset, source, hostOffset, length);
  }

  private WritableDisk disk() throws ImageException {
    WritableDisk opened = disk;
    if (opened == null) {
      throw new ImageException(ErrorKind.READ_ONLY, file.path(), "Image is opened read-only");
    }
    return opened;
  }

  @Override
  public List<SnapshotInfo> snapshots() {
    WritableDisk opened = disk;
    return opened == null ? snapshots.snapshots() : opened.snapshots();
  }

  @Override
  public SnapshotInfo createSnapshot(String name) throws ImageException {
    enter();
    try {
      return disk().createSnapshot(name);
    } finally {
      leave();
    }
  }

  @Override
  public void deleteSnapshot(SnapshotInfo snapshot) throws ImageException {
    enter();
    try {
      disk().deleteSnapshot(snapshot);
    } finally {
      leave();
    }
  }

  @Override
  public void applySnapshot(SnapshotInfo snapshot) throws ImageException {
    enter();
    try {
      disk().applySnapshot(snapshot);
    } finally {
      leave();
    }
  }

  @Override
  public Layer snapshot(SnapshotInfo snapshot) throws ImageException {
    checkDiskSize(snapshot);
    return new SnapshotLayer(this, snapshotTable(snapshot), 0, snapshot.diskSize());
  }

  private void checkDiskSize(SnapshotInfo snapshot) throws ImageException {
    if (snapshot.diskSize() < 0) {
      throw snapshotFault(
          snapshot, "disk size is " + Long.toUnsignedString(snapshot.diskSize()) + " bytes");
    }
  }

  @Override
  public Layer vmState(SnapshotInfo snapshot) throws ImageException {
    checkDiskSize(snapshot);
    // The state follows the disk in the snapshot's guest address space, from the next L1 entry on
    // (QEMU: qcow2_vm_state_offset).
    long start = geometry.l1EntriesFor(snapshot.diskSize()) << geometry.l1Shift();
    if (snapshot.vmStateSize() < 0
        || start < 0
        || start > Long.MAX_VALUE - snapshot.vmStateSize()) {
      throw snapshotFault(
          snapshot, "VM state size is " + Long.toUnsignedString(snapshot.vmStateSize()) + " bytes");
    }
    return new SnapshotLayer(this, snapshotTable(snapshot), start, snapshot.vmStateSize());
  }

  private DiskTable snapshotTable(SnapshotInfo snapshot) throws ImageException {
    long entries = Integer.toUnsignedLong(snapshot.l1Entries());
    long offset = snapshot.l1Offset();
    if (entries * 8 > FormatLimits.MAX_L1_BYTES) {
      throw snapshotFault(
          snapshot,
          "L1 table too large (l1_size is "
              + entries
              + "; expected at most "
              + FormatLimits.MAX_L1_BYTES / 8
              + ")");
    }
    if (entries > 0
        && (geometry.inCluster(offset) != 0
            || offset < geometry.clusterSize()
            || offset >= file.length())) {
      throw snapshotFault(
          snapshot,
          String.format(
              "L1 table offset invalid (0x%x; expected a multiple of the cluster size %d inside the"
                  + " file)",
              offset, geometry.clusterSize()));
    }
    return new DiskTable(file, geometry, decoder, cache, offset, entries);
  }

  private ImageException snapshotFault(SnapshotInfo snapshot, String wrong) {
    return ImageException.corrupt(
        file.path(), "snapshot table entry " + snapshot.index() + ": " + wrong);
  }

  @Override
  public boolean isPreallocated() {
    Boolean known = preallocated;
    if (known == null) {
      try {
        known = org.qcowfs.engine.qcow2.refcount.Preallocation.detect(file, header);
      } catch (ImageException e) {
        known = false; // refcounts that cannot be read say nothing
      }
      preallocated = known;
    }
    return known;
  }

  @Override
  public ImageInfo info() throws ImageException {
    BackingReference backing = backing();
    return new ImageInfo(
        file.path(),
        "qcow2",
        header.size(),
        file.allocatedBytes(),
        geometry.clusterSize(),
        header.cryptMethod() != 0,
        header.has(IncompatibleFeature.DIRTY),
        backing == null ? null : backing.name(),
        backing == null ? null : backing.format(),
        snapshots(),
        new Qcow2Info(
            header.version(),
            header.compressionType() == 1 ? "zstd" : "zlib",
            header.lazyRefcounts(),
            1 << header.refcountOrder(),
            header.has(IncompatibleFeature.CORRUPT),
            geometry.extendedL2(),
            header.has(IncompatibleFeature.EXTERNAL_DATA_FILE)
                ? header.extensionText(HeaderExtension.DATA_FILE)
                : null,
            header.dataFileRaw(),
            header.cryptMethod() == 0 ? null : header.cryptMethod() == 1 ? "aes" : "luks",
            bitmaps));
  }

  @Override
  public void close() throws ImageException {
    try {
      WritableDisk opened = disk;
      if (opened != null) {
        opened.close();
      }
    } finally {
      try {
        if (dataFile != file) {
          dataFile.close();
        }
      } finally {
        file.close();
      }
    }
  }
}
