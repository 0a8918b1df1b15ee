package org.qcowfs.engine.qcow2.write;

import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.layer.Mapping;
import org.qcowfs.engine.layer.WritableLayer.GuestReader;
import org.qcowfs.engine.model.SnapshotInfo;
import org.qcowfs.engine.qcow2.cache.MetadataCache;
import org.qcowfs.engine.qcow2.cache.Slice;
import org.qcowfs.engine.qcow2.format.Geometry;
import org.qcowfs.engine.qcow2.format.Header;
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
 * cluster is treated as one of which everything is allocated or nothing.
 *
 * <p><b>Thread safety:</b> safe; see {@link RangeLocks} and the package description.
 */
public final class WritableDisk {
  /** Dirty metadata that starts a flush of its own accord. */
  private static final long MAX_DIRTY_BYTES = 4 << 20;

  private static final DataBuffer ZEROES = DataBuffer.allocate(1 << 16);
  private static final ThreadLocal<Mapping> MAPPING = ThreadLocal.withInitial(Mapping::new);

  private final HostFile file;
  private final HostFile dataFile;
  private final boolean externalData;
  private final Header header;
  private final MetadataGuard guard;
  private final Geometry geometry;
  private final long clusterSize;
  private final boolean hasBacking;
  private final ReentrantLock metadataLock = new ReentrantLock();
  private final RangeLocks ranges = new RangeLocks();
  private final ReadGate readers = new ReadGate();
  private final MetadataMap metadata;
  private final HostSpace space;
  private final Refcounts refcounts;
  private final ActiveTables tables;
  private final PendingFrees frees;
  private final FlushPath flushPath;
  private final ClusterFill fill;
  private final DiskTable reading;
  private final GuestReader visible;
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
    this.dataFile = dataFile;
    this.externalData = file != dataFile;
    this.header = header;
    this.guard = guard;
    this.geometry = Geometry.of(header);
    this.clusterSize = geometry.clusterSize();
    this.hasBacking = header.backingName() != null;
    this.visible = visible;
    this.metadata = new MetadataMap(file.path(), geometry);
    metadata.add(0, clusterSize);
    this.space = new HostSpace(file, geometry);
    this.refcounts = Refcounts.load(file, header, metadata, space);
    this.tables = new ActiveTables(file, header, cache, metadataLock, metadata);
    this.frees = new PendingFrees(geometry, refcounts, readers, file, punch);
    this.flushPath = new FlushPath(file, dataFile, metadataLock, refcounts, tables, frees);
    this.fill = new ClusterFill(dataFile, header.size());
    this.reading =
        new DiskTable(
            file,
            geometry,
            decoder,
            tables.l1(),
            tables.l2(),
            header.l1Offset(),
            header.l1Entries());
    this.snapshots =
        new DiskSnapshots(
            file,
            header,
            snapshotTable,
            externalData,
            metadataLock,
            ranges,
            flushPath,
            refcounts,
            tables,
            frees,
            metadata,
            guard);
    checkMetadataInUse();
  }

  /** Metadata that the refcounts call free would be overwritten by the next allocation. */
  private void checkMetadataInUse() throws ImageException {
    metadataLock.lock();
    try {
      requireInUse("header", 0, clusterSize);
      requireInUse("active L1 table", header.l1Offset(), header.l1Entries() * 8);
      requireInUse(
          "refcount table",
          header.refcountTableOffset(),
          header.refcountTableClusters() * clusterSize);
    } finally {
      metadataLock.unlock();
    }
  }

  private void requireInUse(String what, long hostOffset, long length) throws ImageException {
    for (long at = hostOffset; at < hostOffset + length; at += clusterSize) {
      if (refcounts.get(at) == 0) {
        throw ImageException.corrupt(
            file.path(),
            String.format(
                "the refcount of the %s at host offset 0x%x is 0; repair the image before writing"
                    + " to it",
                what, at));
      }
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

  // ---------------------------------------------------------------------------------------- write

  /** As {@link org.qcowfs.engine.layer.WritableLayer#write}. */
  public void write(long guestOffset, DataBuffer src, int position, int length)
      throws ImageException {
    if (length == 0) {
      return;
    }
    prepare();
    int done = 0;
    RangeLocks.Range range = lock(guestOffset, length, false);
    try {
      done = writeInPlace(guestOffset, src, position, length);
    } finally {
      ranges.unlock(range);
    }
    if (done < length) {
      range = lock(guestOffset + done, length - done, true);
      try {
        writeAny(guestOffset + done, src, position + done, length - done);
      } finally {
        ranges.unlock(range);
      }
      flushIfLarge();
    }
  }

  private RangeLocks.Range lock(long guestOffset, long length, boolean exclusive) {
    return ranges.lock(
        guestOffset >>> geometry.clusterBits(),
        guestOffset + length - 1 >>> geometry.clusterBits(),
        exclusive);
  }

  /** Writes from the start on for as long as host bytes of our own are there; returns how many. */
  private int writeInPlace(long guestOffset, DataBuffer src, int position, int length)
      throws ImageException {
    int done = 0;
    while (done < length) {
      long at = guestOffset + done;
      if ((tables.l1Entry(at) & Geometry.COPIED) == 0) {
        break;
      }
      long run = ownRun(at, length - done);
      if (run == 0) {
        break;
      }
      metadata(hostOfOwn(at), run);
      dataFile.write(hostOfOwn(at), src, position + done, (int) run);
      done += (int) run;
    }
    return done;
  }

  private void metadata(long hostOffset, long length) throws ImageException {
    if (!externalData) {
      metadata.checkWrite(hostOffset, length);
    }
  }

  /** Bytes from {@code at} on that can be written in place, contiguous on the host. */
  private long ownRun(long at, long most) throws ImageException {
    Slice slice = slice(at);
    int i = tables.wordIndex(at);
    long run = 0;
    long expected = 0;
    int step = 1 << geometry.l2EntryWordBits();
    while (run < most && i < slice.count()) {
      long word = slice.word(i);
      if ((word & (Geometry.COPIED | Geometry.COMPRESSED | Geometry.ZERO)) != Geometry.COPIED
          || !hasHost(word)
          || run > 0 && (word & Geometry.OFFSET_MASK) != expected) {
        break;
      }
      checkEntry(word, at + run);
      long inCluster = geometry.inCluster(at + run);
      long part = Math.min(most - run, clusterSize - inCluster);
      if (geometry.extendedL2()) {
        long own = allocatedPart(slice.word(i + 1), inCluster, part);
        run += own;
        if (own < part) {
          break;
        }
      } else {
        run += part;
      }
      expected = (word & Geometry.OFFSET_MASK) + clusterSize;
      i += step;
    }
    return run;
  }

  /** Bytes from {@code inCluster} on that lie in allocated subclusters, at most {@code part}. */
  private long allocatedPart(long bitmap, long inCluster, long part) {
    int first = (int) (inCluster >>> geometry.subclusterBits());
    int missing = ~(int) bitmap >>> first;
    int count = Math.min(Geometry.SUBCLUSTERS - first, Integer.numberOfTrailingZeros(missing));
    if (count == 0) {
      return 0;
    }
    return Math.min(part, ((long) (first + count) << geometry.subclusterBits()) - inCluster);
  }

  private long hostOfOwn(long guestOffset) throws ImageException {
    return (slice(guestOffset).word(tables.wordIndex(guestOffset)) & Geometry.OFFSET_MASK)
        + geometry.inCluster(guestOffset);
  }

  private boolean hasHost(long word) {
    return (word & Geometry.OFFSET_MASK) != 0 || externalData && (word & Geometry.COPIED) != 0;
  }

  /** An entry that reads would refuse is not written through either. */
  private void checkEntry(long word, long guestOffset) throws ImageException {
    if (!isSound(word)) {
      throw ImageException.corrupt(
          file.path(),
          String.format(
              "L2 entry of guest offset 0x%x is 0x%x, not writable; repair the image",
              guestOffset, word));
    }
  }

  private boolean isSound(long word) {
    return (word & Geometry.COMPRESSED) != 0
        || (word & Geometry.L2_RESERVED) == 0
            && geometry.inCluster(word & Geometry.OFFSET_MASK) == 0;
  }

  /** The L2 slice of a guest offset whose L2 table exists. */
  private Slice slice(long guestOffset) throws ImageException {
    Slice cached = tables.cachedL2(guestOffset);
    if (cached != null) {
      return cached;
    }
    metadataLock.lock();
    try {
      return tables.l2SliceAt(guestOffset);
    } finally {
      metadataLock.unlock();
    }
  }

  /** Writes a range that is locked exclusively, allocating what is missing. */
  private void writeAny(long guestOffset, DataBuffer src, int position, int length)
      throws ImageException {
    int done = 0;
    while (done < length) {
      long at = guestOffset + done;
      ownL2Table(at);
      int run = writeInPlace(at, src, position + done, length - done);
      if (run == 0) {
        run = writeNew(at, src, position + done, length - done);
      }
      done += run;
    }
  }

  /** Writes the first cluster, or as many as can be allocated and linked together. */
  private int writeNew(long guestOffset, DataBuffer src, int position, int length)
      throws ImageException {
    Slice slice = slice(guestOffset);
    int i = tables.wordIndex(guestOffset);
    long word = slice.word(i);
    checkEntry(word, guestOffset);
    int first = (int) Math.min(length, clusterSize - geometry.inCluster(guestOffset));
    if ((word & Geometry.COMPRESSED) == 0 && (word & Geometry.COPIED) != 0 && hasHost(word)) {
      writeIntoOwnCluster(slice, i, word, guestOffset, src, position, first);
      return first;
    }
    long clusters =
        geometry.inCluster(guestOffset) + length + clusterSize - 1 >>> geometry.clusterBits();
    long host;
    long run = 1;
    boolean fresh = false;
    if (externalData) {
      host = guestOffset & -clusterSize;
    } else {
      long wanted = 1;
      int step = 1 << geometry.l2EntryWordBits();
      while (wanted < clusters
          && i + wanted * step < slice.count()
          && isSound(slice.word((int) (i + wanted * step)))
          && needsCluster(slice.word((int) (i + wanted * step)))) {
        wanted++;
      }
      Allocation allocation = allocate(wanted);
      host = allocation.hostOffset;
      run = allocation.clusters;
      fresh = allocation.fresh;
    }
    int written = (int) Math.min(length, run * clusterSize - geometry.inCluster(guestOffset));
    boolean linked = false;
    try {
      fillNew(slice, i, host, fresh, guestOffset, src, position, written);
      link(i, host, guestOffset, written);
      linked = true;
    } finally {
      if (!linked && !externalData) {
        release(host, run);
      }
    }
    return written;
  }

  private boolean needsCluster(long word) {
    return (word & Geometry.COMPRESSED) != 0 || (word & Geometry.COPIED) == 0 || !hasHost(word);
  }

  /** Allocated clusters, of no use to anybody but the thread that asked. */
  private record Allocation(long hostOffset, long clusters, boolean fresh) {}

  private Allocation allocate(long most) throws ImageException {
    while (true) {
      metadataLock.lock();
      try {
        long host = refcounts.allocate(most);
        if (host != 0) {
          return new Allocation(host, refcounts.allocatedRun(), refcounts.allocatedFresh());
        }
      } finally {
        metadataLock.unlock();
      }
      growRefcountTable();
    }
  }

  private void growRefcountTable() throws ImageException {
    flushPath.lock().lock();
    try {
      metadataLock.lock();
      try {
        flushPath.checkState();
        refcounts.growTable();
        guard.refcountTableMoved(refcounts.tableOffset(), refcounts.tableEntries());
      } catch (ImageException e) {
        if (e.kind() == ErrorKind.FAILED) {
          flushPath.fail();
        }
        throw e;
      } finally {
        metadataLock.unlock();
      }
    } finally {
      flushPath.lock().unlock();
    }
  }

  /** Gives back clusters that were never linked. */
  private void release(long hostOffset, long clusters) throws ImageException {
    metadataLock.lock();
    try {
      refcounts.change(hostOffset, clusters << geometry.clusterBits(), -1);
    } finally {
      metadataLock.unlock();
    }
  }

  /** Stores what the new clusters must hold, before anything names them. */
  private void fillNew(
      Slice slice,
      int wordIndex,
      long host,
      boolean fresh,
      long guestOffset,
      DataBuffer src,
      int position,
      int length)
      throws ImageException {
    int done = 0;
    int step = 1 << geometry.l2EntryWordBits();
    for (int i = wordIndex; done < length; i += step) {
      long at = guestOffset + done;
      long clusterStart = at & -clusterSize;
      int part = (int) Math.min(length - done, clusterSize - geometry.inCluster(at));
      if (part == clusterSize) {
        part = wholeClusters(length - done);
        i += step * ((part >>> geometry.clusterBits()) - 1);
        writeData(host, src, position + done, part);
      } else {
        long from = clusterStart + fillFrom(slice.word(i), geometry.inCluster(at));
        long to = clusterStart + fillTo(slice.word(i), geometry.inCluster(at) + part);
        if (fresh && visible.readsAsZero(from, at - from) && zeroBehind(at + part, to)) {
          from = at;
          to = at + part;
        }
        metadata(host, clusterSize);
        fill.fill(
            host + geometry.inCluster(from), from, to, at, src, position + done, part, visible);
      }
      host += part + geometry.inCluster(at);
      done += part;
    }
  }

  /** An external data file ends with the disk; in the image itself clusters are filled whole. */
  private long fillBound(long to) {
    return externalData ? Math.min(to, header.size()) : to;
  }

  private boolean zeroBehind(long from, long to) {
    long end = Math.min(to, header.size());
    return from >= end || visible.readsAsZero(from, end - from);
  }

  private int wholeClusters(int bytes) {
    return (int) (bytes & -clusterSize);
  }

  private void writeData(long host, DataBuffer src, int position, int length)
      throws ImageException {
    metadata(host, length);
    dataFile.write(host, src, position, length);
  }

  /** Where in a new cluster filling begins, for new bytes from {@code inCluster} on. */
  private long fillFrom(long oldWord, long inCluster) {
    return geometry.extendedL2() && !mustCopyAll(oldWord)
        ? inCluster & -(1L << geometry.subclusterBits())
        : 0;
  }

  /** Where in a new cluster filling ends, for new bytes up to {@code inCluster}. */
  private long fillTo(long oldWord, long inCluster) {
    long unit = 1L << geometry.subclusterBits();
    return geometry.extendedL2() && !mustCopyAll(oldWord)
        ? inCluster + unit - 1 & -unit
        : clusterSize;
  }

  /** Whether the old cluster holds bytes that only it has. */
  private boolean mustCopyAll(long oldWord) {
    return (oldWord & Geometry.COMPRESSED) != 0 || hasHost(oldWord);
  }

  /** Names the filled clusters in the L2 table and lets go of what they replace. */
  private void link(int wordIndex, long host, long guestOffset, int length) throws ImageException {
    metadataLock.lock();
    try {
      Slice slice = tables.l2SliceAt(guestOffset);
      int i = wordIndex;
      int step = 1 << geometry.l2EntryWordBits();
      long end = guestOffset + length;
      for (long at = guestOffset; at < end; i += step) {
        long old = slice.word(i);
        long inCluster = geometry.inCluster(at);
        long part = Math.min(end - at, clusterSize - inCluster);
        if (geometry.extendedL2()) {
          long bitmap = mustCopyAll(old) ? 0 : slice.word(i + 1);
          long added = subclusters(fillFrom(old, inCluster), fillTo(old, inCluster + part));
          tables.setEntry(
              slice, i, host | Geometry.COPIED, bitmap & ~(added << Geometry.SUBCLUSTERS) | added);
        } else {
          tables.setWord(slice, i, host | Geometry.COPIED);
        }
        letGo(old);
        host += clusterSize;
        at += part;
      }
    } finally {
      metadataLock.unlock();
    }
  }

  /** The bits of the subclusters between two offsets in a cluster, both multiples. */
  private long subclusters(long from, long to) {
    int first = (int) (from >>> geometry.subclusterBits());
    int count = (int) (to - from >>> geometry.subclusterBits());
    return ((1L << count) - 1) << first;
  }

  /** The reference an old entry held is gone from memory. */
  private void letGo(long oldWord) {
    if ((oldWord & Geometry.COMPRESSED) != 0) {
      long descriptor = oldWord & ~(Geometry.COMPRESSED | Geometry.COPIED);
      frees.unlinked(geometry.compressedOffset(descriptor), geometry.compressedBytes(descriptor));
    } else if (!externalData && (oldWord & Geometry.OFFSET_MASK) != 0) {
      frees.unlinked(oldWord & Geometry.OFFSET_MASK, clusterSize);
    }
  }

  /**
   * Writes into a cluster that is ours alone but does not show these bytes yet: a preallocated zero
   * cluster, or subclusters that are not allocated.
   */
  private void writeIntoOwnCluster(
      Slice seen,
      int wordIndex,
      long word,
      long guestOffset,
      DataBuffer src,
      int position,
      int length)
      throws ImageException {
    long host = word & Geometry.OFFSET_MASK;
    long clusterStart = guestOffset & -clusterSize;
    long inCluster = geometry.inCluster(guestOffset);
    long from = 0;
    long to = clusterSize;
    if (geometry.extendedL2()) {
      long bitmap = seen.word(wordIndex + 1);
      from = fillEdge(bitmap, inCluster, inCluster & -(1L << geometry.subclusterBits()));
      long unit = 1L << geometry.subclusterBits();
      long end = inCluster + length;
      to = fillEdge(bitmap, end, end + unit - 1 & -unit);
    }
    metadata(host, clusterSize);
    fill.fill(
        host + from,
        clusterStart + from,
        fillBound(clusterStart + to),
        guestOffset,
        src,
        position,
        length,
        visible);
    metadataLock.lock();
    try {
      Slice slice = tables.l2SliceAt(guestOffset);
      if (geometry.extendedL2()) {
        long unit = 1L << geometry.subclusterBits();
        long added = subclusters(from & -unit, to + unit - 1 & -unit);
        long bitmap = slice.word(wordIndex + 1);
        tables.setEntry(
            slice,
            wordIndex,
            slice.word(wordIndex),
            bitmap & ~(added << Geometry.SUBCLUSTERS) | added);
      } else {
        tables.setWord(slice, wordIndex, host | Geometry.COPIED);
      }
    } finally {
      metadataLock.unlock();
    }
  }

  /** An edge inside a subcluster stays if that subcluster has its bytes, else goes to its bound. */
  private long fillEdge(long bitmap, long inCluster, long bound) {
    if (bound == inCluster) {
      return inCluster;
    }
    int subcluster = (int) (Math.min(bound, inCluster) >>> geometry.subclusterBits());
    return (bitmap >>> subcluster & 1) != 0 ? inCluster : bound;
  }

  /** Makes sure that the L2 table of a guest offset exists and is ours alone. */
  private void ownL2Table(long guestOffset) throws ImageException {
    if ((tables.l1Entry(guestOffset) & Geometry.COPIED) != 0) {
      return;
    }
    while (true) {
      metadataLock.lock();
      try {
        long entry = tables.l1Entry(guestOffset);
        if ((entry & Geometry.COPIED) != 0) {
          return; // another thread, in another cluster of this table, came first
        }
        long old = entry & Geometry.OFFSET_MASK;
        if ((entry & Geometry.L1_RESERVED) != 0 || geometry.inCluster(old) != 0) {
          throw ImageException.corrupt(
              file.path(),
              String.format(
                  "L1 entry of guest offset 0x%x is 0x%x, not writable; repair the image",
                  guestOffset, entry));
        }
        long table = refcounts.allocate(1);
        if (table != 0) {
          linkL2Table(guestOffset, old, table);
          return;
        }
      } finally {
        metadataLock.unlock();
      }
      growRefcountTable();
    }
  }

  private void linkL2Table(long guestOffset, long old, long table) throws ImageException {
    boolean linked = false;
    try {
      if (old == 0) {
        space.writeZeroes(table, clusterSize);
        tables.setL1Entry(guestOffset, table | Geometry.COPIED);
      } else {
        tables.moveL2Table(guestOffset, old, table);
        frees.unlinked(old, clusterSize);
      }
      metadata.add(table, clusterSize);
      linked = true;
    } finally {
      if (!linked) {
        refcounts.change(table, clusterSize, -1);
      }
    }
  }

  // ----------------------------------------------------------------------------------------- zero

  /** As {@link org.qcowfs.engine.layer.WritableLayer#zero}. */
  public void zero(long guestOffset, long length, boolean unmap) throws ImageException {
    if (length == 0) {
      return;
    }
    prepare();
    long at = guestOffset;
    long end = guestOffset + length;
    while (at < end) {
      // In pieces, so that a large discard neither holds the whole disk nor outgrows memory.
      long piece =
          Math.min(end - at, (1L << geometry.l1Shift()) - (at & (1L << geometry.l1Shift()) - 1));
      RangeLocks.Range range = lock(at, piece, true);
      try {
        zeroPiece(at, piece, unmap);
      } finally {
        ranges.unlock(range);
      }
      flushIfLarge();
      at += piece;
    }
  }

  /** Zeroes a range within one L2 table's reach, locked exclusively. */
  private void zeroPiece(long guestOffset, long length, boolean unmap) throws ImageException {
    long end = guestOffset + length;
    Mapping mapping = MAPPING.get();
    for (long at = guestOffset; at < end; ) {
      reading.map(at, end - at, mapping);
      if (isEmpty(mapping) && visible.readsAsZero(at, mapping.length())) {
        at += mapping.length(); // nothing to zero, nothing to give back
        continue;
      }
      long part = Math.min(end - at, clusterSize - geometry.inCluster(at));
      boolean toDiskEnd = at + part == header.size();
      if (geometry.inCluster(at) == 0 && (part == clusterSize || toDiskEnd)) {
        zeroCluster(at, part, unmap);
      } else if (!visible.readsAsZero(at, part)) {
        zeroPart(at, part);
      }
      at += part;
    }
  }

  private static boolean isEmpty(Mapping mapping) {
    return mapping.kind() == Mapping.Kind.UNALLOCATED
        || mapping.kind() == Mapping.Kind.ZERO && !mapping.hasHostOffset();
  }

  /** Zeroes a whole cluster by its entry where the format can say so. */
  private void zeroCluster(long guestOffset, long part, boolean unmap) throws ImageException {
    if (header.version() < 3 && hasBacking || externalData && header.dataFileRaw()) {
      writeZeroes(guestOffset, part);
      return;
    }
    ownL2Table(guestOffset);
    Slice before = slice(guestOffset);
    int i = tables.wordIndex(guestOffset);
    long old = before.word(i);
    checkEntry(old, guestOffset);
    boolean own =
        (old & (Geometry.COPIED | Geometry.COMPRESSED)) == Geometry.COPIED && hasHost(old);
    if (externalData && own) {
      // The entry keeps its place in the data file, so the bytes there can go at once.
      zeroData(old & Geometry.OFFSET_MASK, part, unmap);
    }
    boolean keepHost = own && (externalData || !unmap) && header.version() >= 3;
    metadataLock.lock();
    try {
      Slice slice = tables.l2SliceAt(guestOffset);
      long kept = keepHost ? old & Geometry.OFFSET_MASK | Geometry.COPIED : 0;
      if (geometry.extendedL2()) {
        long bitmap = hasBacking || keepHost ? -1L << Geometry.SUBCLUSTERS : 0;
        if (old == kept && slice.word(i + 1) == bitmap) {
          return;
        }
        tables.setEntry(slice, i, kept, bitmap);
      } else {
        long now = hasBacking || keepHost ? kept | Geometry.ZERO : 0;
        if (old == now || old == 0 && !hasBacking) {
          return;
        }
        tables.setWord(slice, i, now);
      }
      if (!keepHost) {
        letGo(old);
      }
    } finally {
      metadataLock.unlock();
    }
  }

  private void zeroData(long hostOffset, long length, boolean unmap) throws ImageException {
    if (!unmap || !dataFile.punchHole(hostOffset, length)) {
      dataFile.zeroRange(hostOffset, length);
    }
  }

  /** Zeroes part of a cluster: whole subclusters by their bits, the rest by bytes. */
  private void zeroPart(long guestOffset, long length) throws ImageException {
    long unit = 1L << geometry.subclusterBits();
    long from = guestOffset + unit - 1 & -unit;
    long to = guestOffset + length & -unit;
    if (!geometry.extendedL2() || from >= to || externalData && header.dataFileRaw()) {
      writeZeroes(guestOffset, length);
      return;
    }
    ownL2Table(guestOffset);
    int i = tables.wordIndex(guestOffset);
    if ((slice(guestOffset).word(i) & Geometry.COMPRESSED) != 0) {
      writeZeroes(guestOffset, length);
      return;
    }
    checkEntry(slice(guestOffset).word(i), guestOffset);
    metadataLock.lock();
    try {
      Slice slice = tables.l2SliceAt(guestOffset);
      long clusterStart = guestOffset & -clusterSize;
      long bits = subclusters(from - clusterStart, to - clusterStart);
      long bitmap = slice.word(i + 1) & ~bits;
      tables.setEntry(slice, i, slice.word(i), bitmap | bits << Geometry.SUBCLUSTERS);
    } finally {
      metadataLock.unlock();
    }
    if (from > guestOffset) {
      writeZeroes(guestOffset, from - guestOffset);
    }
    if (to < guestOffset + length) {
      writeZeroes(to, guestOffset + length - to);
    }
  }

  /** Zeroes by writing; the range is locked exclusively. */
  private void writeZeroes(long guestOffset, long length) throws ImageException {
    for (long done = 0; done < length; done += ZEROES.capacity()) {
      int part = (int) Math.min(ZEROES.capacity(), length - done);
      writeAny(guestOffset + done, ZEROES, 0, part);
    }
  }

  // ------------------------------------------------------------------------------------- allocate

  /** As {@link org.qcowfs.engine.layer.WritableLayer#allocate}. */
  public void allocate(long guestOffset, long length) throws ImageException {
    if (length == 0) {
      return;
    }
    prepare();
    long end = guestOffset + length;
    for (long at = guestOffset & -clusterSize; at < end; at += clusterSize) {
      RangeLocks.Range range = lock(at, clusterSize, true);
      try {
        allocateCluster(at);
      } finally {
        ranges.unlock(range);
      }
      flushIfLarge();
    }
  }

  private void allocateCluster(long guestOffset) throws ImageException {
    ownL2Table(guestOffset);
    int i = tables.wordIndex(guestOffset);
    long old = slice(guestOffset).word(i);
    checkEntry(old, guestOffset);
    if (!needsCluster(old)) {
      return;
    }
    int inside = (int) Math.min(clusterSize, header.size() - guestOffset);
    boolean zero =
        (old & Geometry.COMPRESSED) == 0
            && header.version() >= 3
            && (geometry.extendedL2() ? !hasHost(old) : visible.readsAsZero(guestOffset, inside));
    if (!zero) {
      // The bytes are elsewhere: writing them back gives them a cluster of their own.
      DataBuffer bytes = DataBuffer.allocate(inside);
      visible.read(guestOffset, bytes, 0, inside);
      writeAny(guestOffset, bytes, 0, inside);
      return;
    }
    long host = externalData ? guestOffset : allocate(1).hostOffset;
    boolean linked = false;
    try {
      (externalData ? dataFile : file).allocate(host, clusterSize);
      metadataLock.lock();
      try {
        Slice slice = tables.l2SliceAt(guestOffset);
        tables.setWord(
            slice, i, host | Geometry.COPIED | (geometry.extendedL2() ? 0 : Geometry.ZERO));
        letGo(old);
        linked = true;
      } finally {
        metadataLock.unlock();
      }
    } finally {
      if (!linked && !externalData) {
        release(host, 1);
      }
    }
  }

  // ------------------------------------------------------------------------------------- snapshots

  /** The snapshots as they are now. */
  public List<SnapshotInfo> snapshots() {
    return snapshots.list();
  }

  /** As {@link org.qcowfs.engine.layer.Snapshotted.Writable#createSnapshot}. */
  public SnapshotInfo createSnapshot(String name) throws ImageException {
    prepare();
    return snapshots.create(name);
  }

  /** As {@link org.qcowfs.engine.layer.Snapshotted.Writable#deleteSnapshot}. */
  public void deleteSnapshot(SnapshotInfo snapshot) throws ImageException {
    prepare();
    snapshots.delete(snapshot);
  }

  /** As {@link org.qcowfs.engine.layer.Snapshotted.Writable#applySnapshot}. */
  public void applySnapshot(SnapshotInfo snapshot) throws ImageException {
    prepare();
    snapshots.apply(snapshot);
  }

  // ---------------------------------------------------------------------------------------- flush

  /** As {@link org.qcowfs.engine.layer.WritableLayer#flush}. */
  public void flush() throws ImageException {
    flushPath.flush();
  }

  private void flushIfLarge() throws ImageException {
    boolean large;
    metadataLock.lock();
    try {
      large = refcounts.dirtyBytes() + tables.dirtyBytes() > MAX_DIRTY_BYTES;
    } finally {
      metadataLock.unlock();
    }
    if (large) {
      flushPath.flush();
    }
  }

  /**
   * Makes everything durable, gives back what was let go, and cuts the file to what is used. No
   * reader or writer may be under way.
   */
  public void close() throws ImageException {
    flushPath.checkState();
    do {
      flushPath.flush();
      metadataLock.lock();
      try {
        frees.retire();
      } finally {
        metadataLock.unlock();
      }
    } while (refcounts.isDirty() || tables.isDirty() || !frees.isEmpty());
    space.trim();
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
