package org.qcowfs.engine.qcow2.refcount;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.cache.MetadataCache;
import org.qcowfs.engine.qcow2.format.Geometry;
import org.qcowfs.engine.qcow2.format.Header;

/**
 * The refcount table and its blocks as they are stored: the table in memory, the blocks in a cache
 * of slices, and what of both a flush has yet to write.
 *
 * <p><b>Thread safety:</b> none; the caller holds the metadata lock.
 */
public final class RefcountBlocks {
  /** Where dirty pieces go when a flush takes them. */
  @FunctionalInterface
  public interface Sink {
    /** Takes a copy of {@code bytes}, to be written at {@code hostOffset}. */
    void accept(long hostOffset, ByteBuffer bytes);
  }

  private static final int CACHED_SLICES = 1024;
  private static final int TABLE_SECTOR = 512;

  final HostFile file;
  final Geometry geometry;
  final RefcountWidth width;
  final MetadataMap metadata;
  final HostSpace space;

  /** Host clusters that one slice, and one block, describes. */
  final long countsPerSlice;

  final long countsPerBlock;

  private final int sliceBytes;
  private final @Nullable BlockSlice[] cached = new BlockSlice[CACHED_SLICES];
  private final List<BlockSlice> dirty = new ArrayList<>();

  /** Taken by the flush that is running; the file does not have them yet. */
  private final List<BlockSlice> inFlush = new ArrayList<>();

  private long[] table;
  private long tableOffset;

  /** Sectors of the table that differ from the file's, and those the running flush has taken. */
  private final BitSet dirtyTable = new BitSet();

  private final BitSet tableInFlush = new BitSet();

  /** Of an image with this header; nothing is read before {@link #load}. */
  RefcountBlocks(HostFile file, Header header, MetadataMap metadata, HostSpace space) {
    this.file = file;
    this.geometry = Geometry.of(header);
    this.width = new RefcountWidth(header.refcountOrder());
    this.metadata = metadata;
    this.space = space;
    this.sliceBytes = (int) Math.min(MetadataCache.SLICE_BYTES, geometry.clusterSize());
    this.countsPerSlice = width.countsIn(sliceBytes);
    this.countsPerBlock = width.countsIn(geometry.clusterSize());
    this.tableOffset = header.refcountTableOffset();
    this.table = new long[(int) (header.refcountTableClusters() * geometry.clusterSize() / 8)];
  }

  /**
   * Reads the table, and marks it and its blocks as metadata.
   *
   * @throws ImageException kind {@code CORRUPT} if the table cannot be trusted with a write
   */
  void load() throws ImageException {
    int piece = (int) Math.min(table.length * 8L, 1 << 16);
    DataBuffer buffer = DataBuffer.allocate(piece);
    for (int done = 0; done < table.length; done += piece / 8) {
      int got = file.read(tableOffset + done * 8L, buffer, 0, piece);
      for (int i = 0; i < got / 8; i++) {
        table[done + i] = buffer.bytes().getLong(i * 8);
      }
    }
    metadata.add(tableOffset, table.length * 8L);
    long length = file.length();
    for (int i = 0; i < table.length; i++) {
      long entry = table[i];
      if (entry == 0) {
        continue;
      }
      if ((entry & geometry.clusterSize() - 1) != 0 || entry < 0 || entry >= length) {
        throw unusable(i, "names a block at 0x%x, not a cluster of the file", entry);
      }
      if (metadata.overlaps(entry, geometry.clusterSize())) {
        throw unusable(i, "names a block at 0x%x, which is other metadata", entry);
      }
      metadata.add(entry, geometry.clusterSize());
    }
  }

  private ImageException unusable(int index, String wrong, long entry) {
    return ImageException.unsafe(
        file.path(),
        "refcount table entry "
            + index
            + " "
            + String.format(wrong, entry)
            + "; repair the image before writing to it");
  }

  /** The count of a host cluster; 0 where no block describes it. */
  long count(long cluster) throws ImageException {
    BlockSlice slice = slice(cluster);
    return slice == null ? 0 : width.get(slice.bytes, inSlice(cluster));
  }

  /** Which count of its slice a host cluster's is. */
  int inSlice(long cluster) {
    return (int) (cluster % countsPerSlice);
  }

  /** Whether a block that describes a host cluster could be named by the table as it is. */
  boolean tableReaches(long cluster) {
    return cluster / countsPerBlock < table.length;
  }

  /** The slice with a cluster's count, or null where there is no block. */
  @Nullable BlockSlice slice(long cluster) throws ImageException {
    long index = cluster / countsPerSlice;
    int slot = (int) (index & CACHED_SLICES - 1);
    BlockSlice slice = cached[slot];
    if (slice != null && slice.index == index) {
      return slice;
    }
    long block = cluster / countsPerBlock;
    if (block >= table.length || table[(int) block] == 0) {
      return null;
    }
    slice = find(dirty, index);
    if (slice == null) {
      slice = find(inFlush, index);
    }
    if (slice == null) {
      slice = read(index, table[(int) block] + inBlock(cluster));
    }
    cached[slot] = slice;
    return slice;
  }

  /** Where in its block the slice of a cluster begins, in bytes. */
  private long inBlock(long cluster) {
    return (cluster % countsPerBlock) / countsPerSlice * sliceBytes;
  }

  private static @Nullable BlockSlice find(List<BlockSlice> slices, long index) {
    for (BlockSlice slice : slices) {
      if (slice.index == index) {
        return slice;
      }
    }
    return null;
  }

  private BlockSlice read(long index, long hostOffset) throws ImageException {
    DataBuffer buffer = space.scratch(sliceBytes);
    int got = file.read(hostOffset, buffer, 0, sliceBytes);
    byte[] bytes = new byte[sliceBytes]; // what lies past the end of the file counts as zeroes
    buffer.bytes().get(0, bytes, 0, got);
    return new BlockSlice(index, hostOffset, bytes);
  }

  /** The slice has changed: a flush will write it. */
  void markDirty(BlockSlice slice) {
    if (!slice.dirty) {
      slice.dirty = true;
      dirty.add(slice);
    }
  }

  /** Names the block that describes {@code cluster}: zeroes were just stored there. */
  void addBlock(long cluster, long hostOffset) {
    // Not read back from the file: a read that failed here would leave a block nobody counts.
    long slice = cluster / countsPerSlice;
    cached[(int) (slice & CACHED_SLICES - 1)] =
        new BlockSlice(slice, hostOffset + inBlock(cluster), new byte[sliceBytes]);
    metadata.add(hostOffset, geometry.clusterSize());
    int index = (int) (cluster / countsPerBlock);
    table[index] = hostOffset;
    dirtyTable.set(index * 8 / TABLE_SECTOR);
  }

  /** Whether block {@code index} is there and counts no cluster, or only the one it is in. */
  boolean isEmptyBlock(int index) throws ImageException {
    long place = table[index] >>> geometry.clusterBits();
    boolean empty = place != 0;
    long first = index * countsPerBlock;
    for (long cluster = first; empty && cluster < first + countsPerBlock; cluster++) {
      long count = count(cluster);
      empty = count == 0 || cluster == place && count == 1;
    }
    return empty;
  }

  /**
   * Takes block {@code index} out of the table; nothing waits to be written.
   *
   * @return its host offset
   */
  long dropBlock(int index) {
    long hostOffset = table[index];
    table[index] = 0;
    dirtyTable.set(index * 8 / TABLE_SECTOR);
    for (int i = 0; i < CACHED_SLICES; i++) {
      BlockSlice slice = cached[i];
      if (slice != null && slice.index * countsPerSlice / countsPerBlock == index) {
        cached[i] = null;
      }
    }
    metadata.remove(hostOffset, geometry.clusterSize());
    return hostOffset;
  }

  /** Writes the dirty slices in place, without making them durable. */
  void writeDirty() throws ImageException {
    DataBuffer buffer = space.scratch(sliceBytes);
    for (BlockSlice slice : dirty) {
      buffer.bytes().put(0, slice.bytes, 0, sliceBytes);
      file.write(slice.hostOffset, buffer, 0, sliceBytes);
    }
    dirty.forEach(slice -> slice.dirty = false);
    dirty.clear();
  }

  /** Stores a table of refcount blocks, without making it durable. */
  public void storeTable(long hostOffset, long[] entries) throws ImageException {
    int piece = (int) Math.min(entries.length * 8L, 1 << 16);
    DataBuffer buffer = DataBuffer.allocate(piece);
    for (int done = 0; done < entries.length; done += piece / 8) {
      int n = Math.min(piece / 8, entries.length - done);
      for (int i = 0; i < n; i++) {
        buffer.bytes().putLong(i * 8, entries[done + i]);
      }
      file.write(hostOffset + done * 8L, buffer, 0, n * 8);
    }
  }

  /** The header names a larger table with the same blocks and new ones, durably. */
  void tableMoved(long hostOffset, long[] entries) {
    tableOffset = hostOffset;
    table = entries;
    dirtyTable.clear();
  }

  /** The header names another table, durably: everything before is forgotten. */
  void adopt(long hostOffset, long[] entries) {
    tableMoved(hostOffset, entries);
    dirty.clear();
    Arrays.fill(cached, null);
  }

  /** The table itself, not to be changed. */
  long[] table() {
    return table;
  }

  /** Where the refcount table is, a host offset. */
  public long tableOffset() {
    return tableOffset;
  }

  /** Entries of the refcount table, used or not. */
  public long tableEntries() {
    return table.length;
  }

  /** Number of refcount blocks. */
  public int count() {
    int count = 0;
    for (long entry : table) {
      count += entry == 0 ? 0 : 1;
    }
    return count;
  }

  /** Host offset of every refcount block. */
  public long[] offsets() {
    return Arrays.stream(table).filter(entry -> entry != 0).toArray();
  }

  /** Marks the refcount table and its blocks as metadata. */
  public void markMetadata() {
    metadata.add(tableOffset, table.length * 8L);
    for (long block : offsets()) {
      metadata.add(block, geometry.clusterSize());
    }
  }

  /** Whether anything waits to be written. */
  public boolean isDirty() {
    return !dirty.isEmpty() || !dirtyTable.isEmpty();
  }

  /** Bytes of dirty slices. */
  public long dirtyBytes() {
    return (long) dirty.size() * sliceBytes;
  }

  /** Hands copies of the dirty block slices and table sectors to a flush. */
  public void takeDirty(Sink blocks, Sink tableSectors) {
    for (BlockSlice slice : dirty) {
      blocks.accept(slice.hostOffset, slice.bytes);
      slice.dirty = false;
    }
    inFlush.addAll(dirty);
    dirty.clear();
    ByteBuffer sector = ByteBuffer.allocate(TABLE_SECTOR);
    int words = TABLE_SECTOR / 8;
    for (int s = dirtyTable.nextSetBit(0); s >= 0; s = dirtyTable.nextSetBit(s + 1)) {
      for (int i = 0; i < words; i++) {
        sector.putLong(i * 8, table[s * words + i]);
      }
      tableSectors.accept(tableOffset + (long) s * TABLE_SECTOR, sector);
    }
    tableInFlush.or(dirtyTable);
    dirtyTable.clear();
  }

  /** Ends a flush: what it took is in the file, or, if it failed, must be taken again. */
  public void flushed(boolean success) {
    if (!success) {
      inFlush.forEach(this::markDirty);
      dirtyTable.or(tableInFlush);
    }
    inFlush.clear();
    tableInFlush.clear();
  }
}
