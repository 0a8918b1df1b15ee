package org.qcowfs.engine.qcow2.write;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.cache.MetadataCache;
import org.qcowfs.engine.qcow2.cache.Slice;
import org.qcowfs.engine.qcow2.format.Geometry;
import org.qcowfs.engine.qcow2.format.Header;
import org.qcowfs.engine.qcow2.mapping.SliceLoader;
import org.qcowfs.engine.qcow2.mapping.TableReader;
import org.qcowfs.engine.qcow2.refcount.MetadataMap;
import org.qcowfs.engine.qcow2.refcount.RefcountBlocks;

/**
 * The active disk's L1 and L2 tables, as they are in memory: the whole L1 table, and the L2 slices
 * that differ from the file; other L2 slices come and go through the cache.
 *
 * <p><b>Thread safety:</b> readers take slices through {@link #l1} and {@link #l2} from any thread;
 * everything else wants the metadata lock held.
 */
final class ActiveTables {
  private final HostFile file;
  private final Geometry geometry;
  private final MetadataCache cache;
  private final ReentrantLock metadataLock;
  private volatile int owner;
  private final int sliceBytes;
  private final int sliceEntryBits;
  private volatile Slice[] l1Slices;
  private final List<Slice> dirtyL1 = new ArrayList<>();
  private final List<Slice> dirtyL2 = new ArrayList<>();
  private final List<Slice> l1InFlush = new ArrayList<>();
  private final List<Slice> l2InFlush = new ArrayList<>();

  /** Reads the active L1 table and marks it and the L2 tables in {@code metadata}. */
  ActiveTables(
      HostFile file,
      Header header,
      MetadataCache cache,
      ReentrantLock metadataLock,
      MetadataMap metadata)
      throws ImageException {
    this.file = file;
    this.geometry = Geometry.of(header);
    this.cache = cache;
    this.metadataLock = metadataLock;
    this.owner = cache.newOwner();
    this.sliceBytes = (int) Math.min(MetadataCache.SLICE_BYTES, geometry.clusterSize());
    this.sliceEntryBits =
        Integer.numberOfTrailingZeros(sliceBytes / 8) - geometry.l2EntryWordBits();
    SnapshotChange.L1 l1 = SnapshotChange.readL1(file, header.l1Offset(), (int) header.l1Entries());
    this.l1Slices = slices(l1.hostOffset(), l1.entries());
    metadata.add(l1.hostOffset(), l1.entries().length * 8L);
    long length = file.length();
    for (int i = 0; i < l1.entries().length; i++) {
      markFirst(metadata, i, l1.entries()[i], length);
    }
  }

  /** Marks an L2 table after judging its L1 entry: writing through a wrong one hits other data. */
  private void markFirst(MetadataMap metadata, int index, long entry, long fileLength)
      throws ImageException {
    long table = entry & Geometry.OFFSET_MASK;
    String wrong;
    if ((entry & Geometry.L1_RESERVED) != 0) {
      wrong = "with reserved bits set";
    } else if (geometry.inCluster(table) != 0) {
      wrong = "not on a cluster boundary";
    } else if (table >= fileLength) {
      wrong = "past the end of the file (" + fileLength + " bytes)";
    } else if (table == 0) {
      return;
    } else if (metadata.overlaps(table, geometry.clusterSize())) {
      wrong = "which is other metadata";
    } else {
      metadata.add(table, geometry.clusterSize());
      return;
    }
    throw ImageException.corrupt(
        file.path(),
        String.format(
            "L1 entry %d is 0x%x, %s; repair the image before writing to it", index, entry, wrong));
  }

  private Slice[] slices(long l1Offset, long[] entries) {
    int perSlice = sliceBytes / 8;
    Slice[] slices = new Slice[(entries.length + perSlice - 1) / perSlice];
    for (int i = 0; i < slices.length; i++) {
      int end = Math.min(entries.length, (i + 1) * perSlice);
      slices[i] =
          new Slice(
              owner,
              i,
              l1Offset + (long) i * sliceBytes,
              Arrays.copyOfRange(entries, i * perSlice, end));
    }
    return slices;
  }

  private void mark(MetadataMap metadata, long l1Offset, long[] entries) {
    metadata.add(l1Offset, entries.length * 8L);
    for (long entry : entries) {
      long l2Offset = entry & Geometry.OFFSET_MASK;
      if (l2Offset != 0) {
        metadata.add(l2Offset, geometry.clusterSize());
      }
    }
  }

  /** The header names another active L1 table, durably; everything in memory is clean. */
  void adopt(long l1Offset, long[] entries, MetadataMap metadata) {
    owner = cache.newOwner(); // the old L2 slices are found no more
    l1Slices = slices(l1Offset, entries);
    mark(metadata, l1Offset, entries);
  }

  /** How readers get L1 slices: all are in memory. */
  SliceLoader l1() {
    return new SliceLoader() {
      @Override
      public Slice cached(long index) {
        return l1Slices[(int) index];
      }

      @Override
      public Slice load(long index, long hostOffset, int bytes) {
        return l1Slices[(int) index];
      }
    };
  }

  /** How readers get L2 slices. */
  SliceLoader l2() {
    return new SliceLoader() {
      @Override
      public @Nullable Slice cached(long index) {
        return cache.get(owner, index);
      }

      @Override
      public Slice load(long index, long hostOffset, int bytes) throws ImageException {
        metadataLock.lock();
        try {
          return l2Slice(index);
        } finally {
          metadataLock.unlock();
        }
      }
    };
  }

  /** The L1 entry that decides about {@code guestOffset}. */
  long l1Entry(long guestOffset) {
    long index = guestOffset >>> geometry.l1Shift();
    int perSlice = sliceBytes / 8;
    return l1Slices[(int) (index / perSlice)].word((int) (index % perSlice));
  }

  void setL1Entry(long guestOffset, long entry) {
    long index = guestOffset >>> geometry.l1Shift();
    int perSlice = sliceBytes / 8;
    Slice slice = l1Slices[(int) (index / perSlice)];
    slice.setWord((int) (index % perSlice), entry);
    markDirty(slice, dirtyL1);
  }

  /** The slice of L2 table entries around {@code guestOffset} if it is cached; takes no lock. */
  @Nullable Slice cachedL2(long guestOffset) {
    Slice slice = cache.get(owner, guestOffset >>> geometry.clusterBits() + sliceEntryBits);
    return slice == null || slice.count() * 8 < sliceBytes ? null : slice;
  }

  /**
   * The slice of L2 table entries around {@code guestOffset}, whose L2 table exists.
   *
   * @throws ImageException kind {@code CORRUPT} if the file ends within it
   */
  Slice l2SliceAt(long guestOffset) throws ImageException {
    long index = guestOffset >>> geometry.clusterBits() + sliceEntryBits;
    Slice slice = cache.get(owner, index);
    if (slice == null) {
      slice = l2Slice(index);
    }
    if (slice.count() * 8 < sliceBytes) {
      throw ImageException.unsafe(
          file.path(),
          String.format(
              "L2 table at host offset 0x%x is past the end of the file",
              l1Entry(guestOffset) & Geometry.OFFSET_MASK));
    }
    return slice;
  }

  /** Index of {@code guestOffset}'s first word in its slice. */
  int wordIndex(long guestOffset) {
    int entry = (int) (guestOffset >>> geometry.clusterBits()) & (1 << sliceEntryBits) - 1;
    return entry << geometry.l2EntryWordBits();
  }

  private Slice l2Slice(long index) throws ImageException {
    Slice slice = find(dirtyL2, index);
    if (slice == null) {
      slice = find(l2InFlush, index);
    }
    if (slice == null) {
      long guestOffset = index << geometry.clusterBits() + sliceEntryBits;
      long table = l1Entry(guestOffset) & Geometry.OFFSET_MASK;
      int slicesPerTableBits = geometry.l2Bits() - sliceEntryBits;
      long inTable = index & (1L << slicesPerTableBits) - 1;
      slice = TableReader.read(file, owner, index, table + inTable * sliceBytes, sliceBytes);
    }
    return cache.put(slice);
  }

  private static @Nullable Slice find(List<Slice> slices, long index) {
    for (int i = 0; i < slices.size(); i++) {
      if (slices.get(i).index() == index) {
        return slices.get(i);
      }
    }
    return null;
  }

  /** Changes a word of an L2 slice. */
  void setWord(Slice slice, int i, long value) {
    slice.setWord(i, value);
    markDirty(slice, dirtyL2);
  }

  /** Changes both words of an extended L2 entry as one, for readers. */
  void setEntry(Slice slice, int i, long word, long bitmap) {
    slice.setPair(i, word, bitmap);
    markDirty(slice, dirtyL2);
  }

  private static void markDirty(Slice slice, List<Slice> dirty) {
    if (!slice.isDirty()) {
      slice.setDirty(true);
      dirty.add(slice);
    }
  }

  /**
   * Moves a shared L2 table's content to a cluster of its own and has the L1 entry name that.
   *
   * @param newTable host offset of an allocated cluster
   */
  void moveL2Table(long guestOffset, long oldTable, long newTable) throws ImageException {
    int clusterSize = (int) geometry.clusterSize();
    DataBuffer buffer = DataBuffer.allocate(Math.min(clusterSize, 1 << 16));
    for (int done = 0; done < clusterSize; done += buffer.capacity()) {
      int got = file.read(oldTable + done, buffer, 0, buffer.capacity());
      if (got < buffer.capacity()) {
        throw ImageException.unsafe(
            file.path(),
            String.format("L2 table at host offset 0x%x is past the end of the file", oldTable));
      }
      file.write(newTable + done, buffer, 0, buffer.capacity());
    }
    setL1Entry(guestOffset, newTable | Geometry.COPIED);
    long first = guestOffset >>> geometry.l1Shift() << geometry.l2Bits() - sliceEntryBits;
    for (long i = 0; i < 1L << geometry.l2Bits() - sliceEntryBits; i++) {
      cache.remove(owner, first + i);
    }
  }

  boolean isDirty() {
    return !dirtyL1.isEmpty() || !dirtyL2.isEmpty();
  }

  long dirtyBytes() {
    return (long) (dirtyL1.size() + dirtyL2.size()) * sliceBytes;
  }

  /** Hands copies of the dirty slices to a flush. */
  void takeDirty(RefcountBlocks.Sink l2, RefcountBlocks.Sink l1) {
    ByteBuffer copy = ByteBuffer.allocate(sliceBytes);
    take(dirtyL2, l2InFlush, copy, l2);
    take(dirtyL1, l1InFlush, copy, l1);
  }

  private static void take(
      List<Slice> dirty, List<Slice> inFlush, ByteBuffer copy, RefcountBlocks.Sink sink) {
    for (Slice slice : dirty) {
      copy.clear();
      slice.copyTo(copy);
      sink.accept(slice.hostOffset(), copy.flip());
      slice.setDirty(false);
    }
    inFlush.addAll(dirty);
    dirty.clear();
  }

  /** Ends a flush: what it took is in the file, or, if it failed, must be taken again. */
  void flushed(boolean success) {
    if (!success) {
      l1InFlush.forEach(slice -> markDirty(slice, dirtyL1));
      l2InFlush.forEach(slice -> markDirty(slice, dirtyL2));
    }
    l1InFlush.clear();
    l2InFlush.clear();
  }
}
