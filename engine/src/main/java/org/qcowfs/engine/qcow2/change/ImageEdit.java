package org.qcowfs.engine.qcow2.change;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.Qcow2Opener;
import org.qcowfs.engine.qcow2.bitmap.BitmapStore;
import org.qcowfs.engine.qcow2.format.Geometry;
import org.qcowfs.engine.qcow2.format.Header;
import org.qcowfs.engine.qcow2.format.IncompatibleFeature;
import org.qcowfs.engine.qcow2.refcount.HostSpace;
import org.qcowfs.engine.qcow2.refcount.MetadataMap;
import org.qcowfs.engine.qcow2.refcount.RefcountBlocks;
import org.qcowfs.engine.qcow2.refcount.Refcounts;
import org.qcowfs.engine.qcow2.snapshot.SnapshotTable;

/**
 * One change of an image: clusters are allocated and written, the header is switched, and what the
 * old header named is given back.
 *
 * <p>Use: {@link #begin}; {@link #allocate} and {@link #write}; set fields of {@link #next}; {@link
 * #switchHeader}; {@link #release}; {@link #finish}. After a failure {@link #abandon}.
 *
 * <p><b>Thread safety:</b> none; the caller holds the image's lock.
 */
final class ImageEdit {
  /** Dirty refcounts that are written before more are made. */
  private static final long MAX_DIRTY_BYTES = 4 << 20;

  private static final int MOST_FREED_RUNS = 1 << 14;

  private record Run(long hostOffset, long bytes) {}

  final HostFile file;
  final Header header;
  final Geometry geometry;
  final long clusterSize;
  final Refcounts refcounts;
  final SnapshotTable snapshots;

  /** The header that {@link #switchHeader} is to put in force. */
  final HeaderEdit next;

  private final MetadataMap metadata;
  private final HostSpace space;
  private final List<Run> allocated = new ArrayList<>();
  private final List<Run> freed = new ArrayList<>();
  private boolean inDoubt;

  private ImageEdit(HostFile file, Header header) throws ImageException {
    this.file = file;
    this.header = header;
    this.geometry = Geometry.of(header);
    this.clusterSize = geometry.clusterSize();
    this.metadata = new MetadataMap(file.path(), geometry);
    metadata.add(0, clusterSize);
    this.space = new HostSpace(file, geometry);
    this.snapshots = SnapshotTable.read(file, header);
    String fault = snapshots.fault();
    if (fault != null) {
      throw ImageException.corrupt(file.path(), fault + "; repair the image first");
    }
    this.refcounts = Refcounts.load(file, header, metadata, space);
    this.next = new HeaderEdit(file.path(), header);
    markMetadata();
  }

  /**
   * Prepares for changing an image whose file is open for writing and locked.
   *
   * @throws ImageException if the image cannot be changed safely; nothing has been written then
   */
  static ImageEdit begin(HostFile file) throws ImageException {
    Header header = Qcow2Opener.readHeader(file);
    Qcow2Opener.refuseUnsafeChanges(file, header);
    ImageEdit edit = new ImageEdit(file, header);
    edit.clearUnknownAutoclear();
    return edit;
  }

  /** Where guest clusters live in this file. */
  boolean externalData() {
    return header.has(IncompatibleFeature.EXTERNAL_DATA_FILE);
  }

  private void markMetadata() throws ImageException {
    refcounts.requireInUse("header", 0, clusterSize);
    refcounts.requireInUse("active L1 table", header.l1Offset(), header.l1Entries() * 8);
    refcounts.requireInUse(
        "refcount table", refcounts.stored().tableOffset(), refcounts.stored().tableEntries() * 8);
    mark(header.l1Offset(), readWords(header.l1Offset(), header.l1Entries()));
    if (snapshots.bytes() > 0) {
      metadata.add(header.snapshotTableOffset(), snapshots.bytes());
    }
    long length = file.length();
    metadata.addSnapshots(snapshots.snapshots(), length);
    BitmapStore.forEachTable(
        file, header, (at, bytes) -> metadata.addNamed("bitmap", at, bytes, length));
  }

  private void mark(long l1Offset, long[] entries) throws ImageException {
    metadata.add(l1Offset, entries.length * 8L);
    long length = file.length();
    for (long entry : entries) {
      if ((entry & Geometry.OFFSET_MASK) != 0) {
        metadata.addNamed("L2 table", entry & Geometry.OFFSET_MASK, clusterSize, length);
      }
    }
  }

  private void clearUnknownAutoclear() throws ImageException {
    if ((header.autoclear() & ~3L) != 0) {
      DataBuffer field = DataBuffer.allocate(8, 8);
      field.bytes().putLong(0, header.autoclear() & 3);
      file.write(88, field, 0, 8);
      file.sync();
    }
  }

  // --------------------------------------------------------------------------------------- reading

  /** The active L1 table. */
  long[] activeL1() throws ImageException {
    return readWords(header.l1Offset(), header.l1Entries());
  }

  /** Reads big-endian words of 64 bits. */
  long[] readWords(long hostOffset, long count) throws ImageException {
    long[] words = new long[(int) count];
    DataBuffer bytes = DataBuffer.allocate((int) Math.min(1 << 16, Math.max(8, count * 8)), 8);
    for (int done = 0; done < words.length; ) {
      int n = Math.min(bytes.capacity() / 8, words.length - done);
      if (file.read(hostOffset + done * 8L, bytes, 0, n * 8) < n * 8) {
        throw ImageException.corrupt(
            file.path(),
            String.format(
                "a table at host offset 0x%x reaches past the end of the file; repair the image"
                    + " first",
                hostOffset));
      }
      for (int i = 0; i < n; i++) {
        words[done + i] = bytes.bytes().getLong(i * 8);
      }
      done += n;
    }
    return words;
  }

  /** The words of the L2 table an L1 entry names. */
  long[] readL2(long entry) throws ImageException {
    long offset = entry & Geometry.OFFSET_MASK;
    if ((entry & Geometry.L1_RESERVED) != 0 || geometry.inCluster(offset) != 0) {
      throw ImageException.corrupt(
          file.path(),
          String.format("an L1 entry is 0x%x, not usable; repair the image first", entry));
    }
    return readWords(offset, clusterSize / 8);
  }

  // --------------------------------------------------------------------------------------- writing

  /** Allocates adjacent clusters; returns the host offset of the first. */
  long allocate(long clusters) throws ImageException {
    return allocate(clusters, false);
  }

  /** Allocates adjacent clusters that read as zeroes. */
  long allocateFresh(long clusters) throws ImageException {
    return allocate(clusters, true);
  }

  private long allocate(long clusters, boolean fresh) throws ImageException {
    punchFreed(Long.MAX_VALUE); // before they are taken again
    while (true) {
      long place = fresh ? refcounts.allocateFresh(clusters) : refcounts.allocateAdjacent(clusters);
      if (place != 0) {
        allocated.add(new Run(place, clusters * clusterSize));
        if (refcounts.stored().dirtyBytes() > MAX_DIRTY_BYTES) {
          writeRefcounts();
        }
        return place;
      }
      try {
        refcounts.growTable();
      } catch (ImageException e) {
        inDoubt |= e.kind() == ErrorKind.FAILED;
        throw e;
      }
      next.refcountTableOffset = refcounts.stored().tableOffset();
      next.refcountTableClusters = refcounts.stored().tableEntries() * 8 / clusterSize;
    }
  }

  /** Allocates room for {@code bytes} bytes. */
  long allocateBytes(long bytes) throws ImageException {
    return allocate(clusters(bytes));
  }

  long clusters(long bytes) {
    return bytes + clusterSize - 1 >>> geometry.clusterBits();
  }

  /** Stores words in allocated clusters, and zeroes behind them to the end of the last. */
  void writeWords(long hostOffset, long[] words) throws ImageException {
    int piece =
        (int) Math.min(Math.max(clusterSize, 1 << 16), clusters(words.length * 8L) * clusterSize);
    DataBuffer buffer = DataBuffer.allocate(Math.max(8, piece));
    long bytes = clusters(words.length * 8L) * clusterSize;
    for (long done = 0; done < bytes; ) {
      int n = (int) Math.min(buffer.capacity(), bytes - done);
      for (int i = 0; i < n; i += 8) {
        int word = (int) ((done + i) / 8);
        buffer.bytes().putLong(i, word < words.length ? words[word] : 0);
      }
      file.write(hostOffset + done, buffer, 0, n);
      done += n;
    }
  }

  /** Stores bytes in allocated clusters, and zeroes behind them to the end of the last. */
  void writeBytes(long hostOffset, byte[] bytes) throws ImageException {
    if (bytes.length > 0) {
      DataBuffer buffer = DataBuffer.allocate((int) (clusters(bytes.length) * clusterSize));
      buffer.bytes().put(0, bytes);
      file.write(hostOffset, buffer, 0, buffer.capacity());
    }
  }

  /** Writes the changed refcounts, a block before the table names it. */
  void writeRefcounts() throws ImageException {
    List<Run> places = new ArrayList<>();
    List<byte[]> pieces = new ArrayList<>();
    int[] blocks = {0};
    RefcountBlocks.Sink take =
        (at, bytes) -> {
          byte[] copy = new byte[bytes.limit()];
          bytes.get(0, copy);
          places.add(new Run(at, copy.length));
          pieces.add(copy);
        };
    refcounts
        .stored()
        .takeDirty(
            (at, bytes) -> {
              take.accept(at, bytes);
              blocks[0]++;
            },
            take);
    boolean done = false;
    try {
      DataBuffer buffer = DataBuffer.allocate(1 << 12, 512);
      for (int i = 0; i < pieces.size(); i++) {
        if (i == blocks[0]) {
          sync();
        }
        buffer.bytes().put(0, pieces.get(i));
        file.write(places.get(i).hostOffset, buffer, 0, pieces.get(i).length);
      }
      done = true;
    } finally {
      refcounts.stored().flushed(done);
    }
  }

  /** Makes everything written durable. */
  void sync() throws ImageException {
    try {
      file.sync();
    } catch (ImageException e) {
      inDoubt = true; // rule W7
      throw e;
    }
  }

  /** Makes refcounts and everything written durable, and then {@link #next} the header. */
  void switchHeader() throws ImageException {
    writeRefcounts();
    sync();
    HeaderSwitch change = new HeaderSwitch(file, (int) clusterSize);
    try {
      change.to(next);
    } catch (ImageException e) {
      if (change.began()) {
        inDoubt = true;
        throw new ImageException(
            ErrorKind.FAILED,
            file.path(),
            "the header could not be written; whether the change took effect is unknown: "
                + e.detail(),
            e.errno(),
            e);
      }
      throw e;
    }
    allocated.clear();
  }

  /** What has been allocated so far is in use, durably: a later failure does not give it back. */
  void keepAllocated() {
    allocated.clear();
  }

  /** Clusters of the file up to the last that was ever used. */
  long usedClusters() {
    return space.end() >>> geometry.clusterBits();
  }

  /** Gives back clusters that were allocated for nothing. */
  void giveBackUnused(long hostOffset, long clusters) throws ImageException {
    refcounts.change(hostOffset, clusters * clusterSize, -1);
    allocated.remove(new Run(hostOffset, clusters * clusterSize));
  }

  /** Gives back one reference to each cluster a host range touches: nothing names it any more. */
  void release(long hostOffset, long bytes) throws ImageException {
    long end = hostOffset + bytes + clusterSize - 1 & -clusterSize;
    for (long at = hostOffset & -clusterSize; at < end; at += clusterSize) {
      refcounts.change(at, clusterSize, -1);
      if (refcounts.get(at) == 0) {
        metadata.remove(at, clusterSize);
        freed(at);
      }
    }
    if (refcounts.stored().dirtyBytes() > MAX_DIRTY_BYTES) {
      writeRefcounts();
    }
  }

  /** Gives back what a word of an L2 table names. */
  void releaseData(long word) throws ImageException {
    if ((word & Geometry.COMPRESSED) != 0) {
      long descriptor = word & ~(Geometry.COMPRESSED | Geometry.COPIED);
      release(geometry.compressedOffset(descriptor), geometry.compressedBytes(descriptor));
    } else if (!externalData() && (word & Geometry.OFFSET_MASK) != 0) {
      release(word & Geometry.OFFSET_MASK, clusterSize);
    }
  }

  /** Remembers a free cluster: its blocks are given back in few pieces, or by a cut of the file. */
  private void freed(long hostOffset) {
    int last = freed.size() - 1;
    if (last >= 0 && freed.get(last).hostOffset + freed.get(last).bytes == hostOffset) {
      Run run = freed.get(last);
      freed.set(last, new Run(run.hostOffset, run.bytes + clusterSize));
      return;
    }
    if (freed.size() == MOST_FREED_RUNS) {
      punchFreed(Long.MAX_VALUE);
    }
    freed.add(new Run(hostOffset, clusterSize));
  }

  /** Runs that touch are one: the host's blocks are larger than small clusters. */
  private void punchFreed(long end) {
    freed.sort(Comparator.comparingLong(Run::hostOffset));
    for (int i = 0; i < freed.size(); ) {
      long start = freed.get(i).hostOffset;
      long stop = start;
      while (i < freed.size() && freed.get(i).hostOffset == stop) {
        stop += freed.get(i++).bytes;
      }
      if (start < end) {
        punch(start, Math.min(stop, end) - start);
      }
    }
    freed.clear();
  }

  /** Gives the host blocks of free clusters back. */
  void punch(long hostOffset, long bytes) {
    try {
      file.punchHole(hostOffset, bytes);
    } catch (ImageException e) {
      // The cluster is free either way; only its host blocks stay.
    }
  }

  /** Gives back the refcount blocks that count nothing any more, as after a disk has shrunk. */
  void releaseRefcountBlocks() throws ImageException {
    writeRefcounts();
    sync();
    List<Long> places = refcounts.dropEmptyBlocks();
    while (!places.isEmpty()) {
      writeRefcounts();
      sync(); // rule W2
      for (long place : places) {
        if (refcounts.get(place) > 0) {
          release(place, clusterSize);
        } else {
          freed(place); // it was the one to count itself
        }
      }
      writeRefcounts();
      sync();
      places = refcounts.dropEmptyBlocks(); // that counted those
    }
  }

  /** Makes the given-back clusters' refcounts durable and cuts the file behind the last in use. */
  void finish() throws ImageException {
    writeRefcounts();
    sync();
    long end = space.end();
    while (end > clusterSize && refcounts.get(end - clusterSize) == 0) {
      end -= clusterSize;
    }
    space.cut(end);
    punchFreed(end);
    sync();
  }

  /** Gives back what was allocated for a change that failed before the header was written. */
  void abandon(ImageException cause) {
    if (inDoubt) {
      return;
    }
    try {
      for (Run run : allocated) {
        refcounts.change(run.hostOffset, run.bytes, -1);
      }
      finish();
    } catch (ImageException e) {
      cause.addSuppressed(e); // leaked clusters, at most
    }
  }
}
