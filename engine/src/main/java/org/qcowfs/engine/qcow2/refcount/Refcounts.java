package org.qcowfs.engine.qcow2.refcount;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.cache.MetadataCache;
import org.qcowfs.engine.qcow2.format.FormatLimits;
import org.qcowfs.engine.qcow2.format.Geometry;
import org.qcowfs.engine.qcow2.format.Header;

/**
 * The refcount table, its blocks, and the allocation of host clusters.
 *
 * <p><b>Thread safety:</b> none; the caller holds the metadata lock.
 */
public final class Refcounts {
  /** Where dirty pieces go when a flush takes them. */
  @FunctionalInterface
  public interface Sink {
    /** Takes a copy of {@code bytes}, to be written at {@code hostOffset}. */
    void accept(long hostOffset, ByteBuffer bytes);
  }

  private static final int CACHED_SLICES = 1024;
  private static final int TABLE_SECTOR = 512;

  private final HostFile file;
  private final Geometry geometry;
  private final RefcountWidth width;
  private final MetadataMap metadata;
  private final HostSpace space;
  private final int sliceBytes;
  private final long countsPerSlice;
  private final long countsPerBlock;
  private final @Nullable BlockSlice[] cached = new BlockSlice[CACHED_SLICES];
  private final List<BlockSlice> dirty = new ArrayList<>();

  /** Taken by the flush that is running; the file does not have them yet. */
  private final List<BlockSlice> inFlush = new ArrayList<>();

  private long[] table;
  private long tableOffset;

  /** Sectors of the table that differ from the file's, and those the running flush has taken. */
  private final BitSet dirtyTable = new BitSet();

  private final BitSet tableInFlush = new BitSet();

  /** No cluster before this one is free. */
  private long hint;

  private Refcounts(HostFile file, Header header, MetadataMap metadata, HostSpace space) {
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
   * Loads the refcount table and marks it and its blocks in {@code metadata}.
   *
   * @throws ImageException kind {@code CORRUPT} if the table cannot be trusted with a write
   */
  public static Refcounts load(HostFile file, Header header, MetadataMap metadata, HostSpace space)
      throws ImageException {
    Refcounts refcounts = new Refcounts(file, header, metadata, space);
    refcounts.loadTable();
    return refcounts;
  }

  private void loadTable() throws ImageException {
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

  /** The refcount of the cluster at {@code hostOffset}; 0 where no block describes it. */
  public long get(long hostOffset) throws ImageException {
    return count(hostOffset >>> geometry.clusterBits());
  }

  private long count(long cluster) throws ImageException {
    BlockSlice slice = slice(cluster);
    return slice == null ? 0 : width.get(slice.bytes, (int) (cluster % countsPerSlice));
  }

  /** Changes the refcount of a cluster that a block describes. */
  private void setCount(long cluster, long value) throws ImageException {
    BlockSlice slice = slice(cluster);
    if (slice == null) {
      throw undescribed(cluster);
    }
    width.set(slice.bytes, (int) (cluster % countsPerSlice), value);
    markDirty(slice);
  }

  private void markDirty(BlockSlice slice) {
    if (!slice.dirty) {
      slice.dirty = true;
      dirty.add(slice);
    }
  }

  private ImageException undescribed(long cluster) {
    return ImageException.unsafe(
        file.path(),
        String.format(
            "host offset 0x%x is in use, and no refcount block describes it",
            cluster << geometry.clusterBits()));
  }

  /** The slice with a cluster's count, or null where there is no block. */
  private @Nullable BlockSlice slice(long cluster) throws ImageException {
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
      long inBlock = (cluster % countsPerBlock) / countsPerSlice * sliceBytes;
      slice = read(index, table[(int) block] + inBlock);
    }
    cached[slot] = slice;
    return slice;
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
    return new BlockSlice(index, hostOffset, ByteBuffer.wrap(bytes));
  }

  /**
   * Allocates a run of free clusters with refcount 1.
   *
   * @param most clusters wanted, at least 1
   * @return host offset of the first, {@link #allocatedRun()} says how many; 0 if the refcount
   *     table is full: call {@link #growTable} and try again
   * @throws ImageException kind {@code NO_SPACE} at the format's limit, {@code CORRUPT} if what the
   *     refcounts call free holds metadata
   */
  public long allocate(long most) throws ImageException {
    long first = hint;
    while (true) {
      if (slice(first) == null) {
        if (first / countsPerBlock >= table.length) {
          return 0;
        }
        makeBlock(first, first);
      }
      if (count(first) == 0) {
        break;
      }
      first++;
    }
    long run = 0;
    while (run < most && slice(first + run) != null && count(first + run) == 0) {
      run++;
    }
    take(first, run);
    hint = first + run;
    allocatedRun = run;
    return first << geometry.clusterBits();
  }

  private long allocatedRun;
  private boolean allocatedFresh;

  /** Clusters the last {@link #allocate} took. */
  public long allocatedRun() {
    return allocatedRun;
  }

  /** Whether nothing was ever stored where the last allocation is: it reads as zeroes. */
  public boolean allocatedFresh() {
    return allocatedFresh;
  }

  /** Where the next compressed bytes may go, inside a cluster that holds some; 0 for nowhere. */
  private long openByte;

  /**
   * Allocates bytes for a compressed cluster, behind the last ones where they fit or the next
   * cluster is free; each host cluster they touch counts one reference more.
   *
   * @param bytes less than a cluster
   * @return host offset of the first; 0 if the refcount table is full, as for {@link #allocate}
   */
  public long allocateBytes(int bytes) throws ImageException {
    if (openByte != 0 && count(openByte >>> geometry.clusterBits()) == width.max()) {
      openByte = 0;
    }
    long start = openByte;
    long free = start == 0 ? 0 : geometry.clusterSize() - geometry.inCluster(start);
    if (bytes > free) {
      long next = allocate(1);
      if (next == 0) {
        return 0;
      }
      if (free > 0 && next == start + free) {
        change(start, free, 1);
      } else {
        start = next;
      }
    } else {
      change(start, bytes, 1);
    }
    openByte = geometry.inCluster(start + bytes) == 0 ? 0 : start + bytes;
    return start;
  }

  /**
   * Allocates {@code clusters} adjacent clusters with refcount 1.
   *
   * @return host offset of the first; 0 if the refcount table is full, as for {@link #allocate}
   */
  public long allocateAdjacent(long clusters) throws ImageException {
    long first = hint;
    long run = 0;
    while (run < clusters) {
      if (slice(first + run) == null) {
        if ((first + run) / countsPerBlock >= table.length) {
          return 0;
        }
        // The block must not lie in the middle of the run: it takes the run's first cluster.
        makeBlock(first + run, first);
        if (run > 0) {
          first++;
          run--;
          continue;
        }
      }
      if (count(first + run) == 0) {
        run++;
      } else {
        first += run + 1;
        run = 0;
      }
    }
    take(first, clusters);
    return first << geometry.clusterBits();
  }

  /**
   * As {@link #allocateAdjacent}, behind everything the file ever held: what is there reads as
   * zeroes.
   */
  public long allocateFresh(long clusters) throws ImageException {
    long before = hint;
    hint = Math.max(hint, space.end() >>> geometry.clusterBits());
    try {
      return allocateAdjacent(clusters);
    } finally {
      hint = before;
    }
  }

  private void take(long first, long clusters) throws ImageException {
    long hostOffset = first << geometry.clusterBits();
    long length = clusters << geometry.clusterBits();
    if (metadata.overlaps(hostOffset, length)) {
      throw ImageException.unsafe(
          file.path(),
          String.format(
              "the refcount of host offset 0x%x is 0, but metadata is there; repair the image"
                  + " before writing to it",
              hostOffset));
    }
    allocatedFresh = space.claim(hostOffset, length);
    for (long i = 0; i < clusters; i++) {
      setCount(first + i, 1);
    }
  }

  /**
   * Adds {@code change} to the refcount of every cluster a host range touches.
   *
   * @throws ImageException kind {@code NO_SPACE} if a count would exceed its width, {@code CORRUPT}
   *     if it would fall below zero; counts before that cluster are then changed
   */
  public void change(long hostOffset, long length, int change) throws ImageException {
    long end = (hostOffset + length - 1 >>> geometry.clusterBits()) + 1;
    for (long cluster = hostOffset >>> geometry.clusterBits(); cluster < end; ) {
      BlockSlice slice = slice(cluster);
      int from = (int) (cluster % countsPerSlice);
      int to = (int) Math.min(countsPerSlice, from + end - cluster);
      for (int i = from; i < to; i++) {
        long old = slice == null ? 0 : width.get(slice.bytes, i);
        checkChange(cluster + i - from, old, change);
        if (slice == null) {
          throw undescribed(cluster);
        }
        width.set(slice.bytes, i, old + change);
        markDirty(slice);
        if (old + change == 0) {
          hint = Math.min(hint, cluster + i - from);
          if (openByte >>> geometry.clusterBits() == cluster + i - from) {
            openByte = 0; // the cluster is somebody else's next
          }
        }
      }
      cluster += to - from;
    }
  }

  private void checkChange(long cluster, long old, int change) throws ImageException {
    if (change < 0 && old == 0) {
      throw ImageException.unsafe(
          file.path(),
          String.format(
              "the refcount of host offset 0x%x is 0, but the cluster was in use",
              cluster << geometry.clusterBits()));
    }
    if (change > 0 && old == width.max()) {
      throw new ImageException(
          ErrorKind.NO_SPACE,
          file.path(),
          String.format(
              "the refcount of host offset 0x%x is %s, the most that %d bits hold",
              cluster << geometry.clusterBits(), Long.toUnsignedString(old), 1 << width.order()));
    }
  }

  /**
   * How far the clusters from {@code hostOffset} on are all free, or all in use.
   *
   * @param end where to stop looking
   * @return the host offset of the first that is not, or {@code end}
   */
  public long endOfRun(long hostOffset, long end, boolean free) throws ImageException {
    long last = end - 1 >>> geometry.clusterBits();
    for (long cluster = hostOffset >>> geometry.clusterBits(); cluster <= last; cluster++) {
      if (count(cluster) == 0 != free) {
        return cluster << geometry.clusterBits();
      }
    }
    return end;
  }

  /**
   * Makes the block that describes {@code cluster}.
   *
   * @param place the cluster it is put in: {@code cluster} itself, or a free one that has a block
   */
  private void makeBlock(long cluster, long place) throws ImageException {
    long index = cluster / countsPerBlock;
    long hostOffset = place << geometry.clusterBits();
    if (metadata.overlaps(hostOffset, geometry.clusterSize())) {
      throw ImageException.unsafe(
          file.path(),
          String.format(
              "no refcount block describes host offset 0x%x, but metadata is there; repair the"
                  + " image before writing to it",
              hostOffset));
    }
    space.claim(hostOffset, geometry.clusterSize());
    space.writeZeroes(hostOffset, geometry.clusterSize());
    // Not read back from the file: a read that failed here would leave a block nobody counts.
    long slice = cluster / countsPerSlice;
    long inBlock = (cluster % countsPerBlock) / countsPerSlice * sliceBytes;
    cached[(int) (slice & CACHED_SLICES - 1)] =
        new BlockSlice(slice, hostOffset + inBlock, ByteBuffer.wrap(new byte[sliceBytes]));
    metadata.add(hostOffset, geometry.clusterSize());
    table[(int) index] = hostOffset;
    dirtyTable.set((int) index * 8 / TABLE_SECTOR);
    setCount(place, 1);
  }

  /**
   * Moves the refcount table to a larger place, with the blocks for that place, behind everything
   * described so far (rule W4: the header follows in one write once all of it is durable).
   *
   * <p>The caller also holds the flush lock: no flush is running.
   */
  public void growTable() throws ImageException {
    long entriesPerCluster = geometry.clusterSize() / 8;
    long clusters = Math.max(table.length + 1L, table.length * 3L / 2) / entriesPerCluster + 1;
    long first = (long) table.length * countsPerBlock;
    long blocks = 1;
    while (blocks * countsPerBlock < blocks + clusters) {
      blocks++;
    }
    while ((table.length + blocks) > clusters * entriesPerCluster) {
      clusters++;
    }
    if (clusters << geometry.clusterBits() > FormatLimits.MAX_REFCOUNT_TABLE_BYTES) {
      throw new ImageException(
          ErrorKind.NO_SPACE,
          file.path(),
          "the refcount table would grow past "
              + FormatLimits.MAX_REFCOUNT_TABLE_BYTES
              + " bytes, the most the format allows");
    }
    long start = first << geometry.clusterBits();
    long total = blocks + clusters;
    if (metadata.overlaps(start, total << geometry.clusterBits())) {
      throw ImageException.unsafe(
          file.path(),
          String.format(
              "no refcount block describes host offset 0x%x, but metadata is there; repair the"
                  + " image before writing to it",
              start));
    }
    space.claim(start, total << geometry.clusterBits());
    long[] larger = new long[(int) (clusters * entriesPerCluster)];
    System.arraycopy(table, 0, larger, 0, table.length);
    for (int i = 0; i < blocks; i++) {
      larger[table.length + i] = start + ((long) i << geometry.clusterBits());
    }
    int oldLength = table.length;
    writeNewBlocks(start, blocks, total);
    writeDirty();
    long newOffset = start + (blocks << geometry.clusterBits());
    writeTable(newOffset, larger);
    try {
      file.sync();
      DataBuffer field = space.scratch(12);
      field.bytes().putLong(0, newOffset).putInt(8, (int) clusters);
      file.write(48, field, 0, 12);
      file.sync();
    } catch (ImageException e) {
      // Which table the file has now is unknown (rule W7).
      throw new ImageException(ErrorKind.FAILED, file.path(), e.detail(), e.errno(), e);
    }
    long oldOffset = tableOffset;
    table = larger;
    tableOffset = newOffset;
    dirtyTable.clear();
    metadata.add(start, total << geometry.clusterBits());
    metadata.remove(oldOffset, oldLength * 8L);
    change(oldOffset, oldLength * 8L, -1); // nothing points there any more, durably
  }

  private void writeNewBlocks(long start, long blocks, long used) throws ImageException {
    int clusterSize = (int) geometry.clusterSize();
    DataBuffer block = DataBuffer.allocate(clusterSize);
    for (long b = 0; b < blocks; b++) {
      block.zero(0, clusterSize);
      for (long i = 0; i < countsPerBlock && b * countsPerBlock + i < used; i++) {
        width.set(block.bytes(), (int) i, 1);
      }
      file.write(start + (b << geometry.clusterBits()), block, 0, clusterSize);
    }
  }

  private void writeTable(long hostOffset, long[] entries) throws ImageException {
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

  /** Writes the dirty slices in place, without making them durable. */
  private void writeDirty() throws ImageException {
    DataBuffer buffer = space.scratch(sliceBytes);
    for (BlockSlice slice : dirty) {
      buffer.bytes().put(0, slice.bytes, 0, sliceBytes);
      file.write(slice.hostOffset, buffer, 0, sliceBytes);
    }
    dirty.forEach(slice -> slice.dirty = false);
    dirty.clear();
  }

  /** Where the refcount table is. */
  public long tableOffset() {
    return tableOffset;
  }

  public long tableEntries() {
    return table.length;
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

  /** Number of refcount blocks. */
  public int blockCount() {
    int count = 0;
    for (long entry : table) {
      count += entry == 0 ? 0 : 1;
    }
    return count;
  }

  /** Host offset of every refcount block. */
  public long[] blocks() {
    return Arrays.stream(table).filter(entry -> entry != 0).toArray();
  }

  /**
   * Copies all counts as they are now, to be changed out of place. The caller also holds the flush
   * lock: no flush is running.
   */
  public ShadowRefcounts shadow() throws ImageException {
    writeDirty();
    return new ShadowRefcounts(file, geometry, width, table);
  }

  /** Stores a table of refcount blocks, without making it durable. */
  public void storeTable(long hostOffset, long[] entries) throws ImageException {
    writeTable(hostOffset, entries);
  }

  /** The header names another refcount table, durably: everything before is forgotten. */
  public void adopt(long hostOffset, long[] entries) {
    tableOffset = hostOffset;
    table = entries;
    dirty.clear();
    dirtyTable.clear();
    Arrays.fill(cached, null);
    hint = 0;
  }

  /** Marks the refcount table and its blocks as metadata. */
  public void markMetadata() {
    metadata.add(tableOffset, table.length * 8L);
    for (long block : blocks()) {
      metadata.add(block, geometry.clusterSize());
    }
  }
}
