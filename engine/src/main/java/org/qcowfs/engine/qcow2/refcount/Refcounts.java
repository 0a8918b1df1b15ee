package org.qcowfs.engine.qcow2.refcount;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.format.Geometry;
import org.qcowfs.engine.qcow2.format.Header;

/**
 * How many references each host cluster has, and the allocation of free ones.
 *
 * <p><b>Thread safety:</b> none; the caller holds the metadata lock.
 */
public final class Refcounts {
  /** Order of 8-bit counts: from here on a count is whole bytes. */
  private static final int BYTE_ORDER = 3;

  private final RefcountBlocks stored;
  private final HostFile file;
  private final Geometry geometry;
  private final RefcountWidth width;
  private final MetadataMap metadata;
  private final HostSpace space;

  /** A slice of counts that are all 1, and one of zeroes, to copy from and to compare with. */
  private final byte[] ones;

  private final byte[] zeroes;

  /** No cluster before this one is free. */
  private long hint;

  /** Where the next compressed bytes may go, inside a cluster that holds some; 0 for nowhere. */
  private long openByte;

  private long allocatedRun;
  private long allocatedTotal;
  private boolean allocatedFresh;

  private Refcounts(RefcountBlocks stored) {
    this.stored = stored;
    this.file = stored.file;
    this.geometry = stored.geometry;
    this.width = stored.width;
    this.metadata = stored.metadata;
    this.space = stored.space;
    int bytes = (int) ((stored.countsPerSlice << width.order()) >>> BYTE_ORDER);
    this.zeroes = new byte[bytes];
    this.ones = new byte[bytes];
    BlockSlice slice = new BlockSlice(0, 0, ones);
    for (int i = 0; i < stored.countsPerSlice; i++) {
      width.set(slice.bytes, i, 1);
    }
  }

  /**
   * Loads the refcount table and marks it and its blocks in {@code metadata}.
   *
   * @throws ImageException kind {@code CORRUPT} if the table cannot be trusted with a write
   */
  public static Refcounts load(HostFile file, Header header, MetadataMap metadata, HostSpace space)
      throws ImageException {
    RefcountBlocks stored = new RefcountBlocks(file, header, metadata, space);
    stored.load();
    return new Refcounts(stored);
  }

  /** The table and the blocks that hold the counts. */
  public RefcountBlocks stored() {
    return stored;
  }

  /** The refcount of the cluster at {@code hostOffset}; 0 where no block describes it. */
  public long get(long hostOffset) throws ImageException {
    return stored.count(hostOffset >>> geometry.clusterBits());
  }

  /**
   * Refuses an image in which a structure lies in clusters that count as free: they would be
   * allocated for something else.
   *
   * @param what names the structure in the message
   * @throws ImageException kind {@code CORRUPT}
   */
  public void requireInUse(String what, long hostOffset, long length) throws ImageException {
    for (long at = hostOffset; at < hostOffset + length; at += geometry.clusterSize()) {
      if (get(at) == 0) {
        throw ImageException.corrupt(
            file.path(),
            String.format(
                "the refcount of the %s at host offset 0x%x is 0; repair the image before writing"
                    + " to it",
                what, at));
      }
    }
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
      if (stored.slice(first) == null) {
        if (!stored.tableReaches(first)) {
          return 0;
        }
        makeBlock(first, first);
      }
      if (stored.count(first) == 0) {
        break;
      }
      first++;
    }
    long run = 0;
    while (run < most && stored.slice(first + run) != null && stored.count(first + run) == 0) {
      run++;
    }
    take(first, run);
    hint = first + run;
    allocatedRun = run;
    allocatedTotal += run;
    return first << geometry.clusterBits();
  }

  /** Clusters the last {@link #allocate} took. */
  public long allocatedRun() {
    return allocatedRun;
  }

  /** Clusters all allocations together took. */
  public long allocatedTotal() {
    return allocatedTotal;
  }

  /** Whether nothing was ever stored where the last allocation is: it reads as zeroes. */
  public boolean allocatedFresh() {
    return allocatedFresh;
  }

  /**
   * Allocates bytes for a compressed cluster, behind the last ones where they fit or the next
   * cluster is free; each host cluster they touch counts one reference more.
   *
   * @param bytes less than a cluster
   * @return host offset of the first; 0 if the refcount table is full, as for {@link #allocate}
   */
  public long allocateBytes(int bytes) throws ImageException {
    if (openByte != 0 && get(openByte) == width.max()) {
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
    long firstFree = -1;
    long run = 0;
    while (run < clusters) {
      if (stored.slice(first + run) == null) {
        if (!stored.tableReaches(first + run)) {
          return 0;
        }
        // The block must not lie in the middle of the run: it takes the run's first cluster.
        makeBlock(first + run, first);
        if (run > 0) {
          firstFree = firstFree == first ? first + 1 : firstFree;
          first++;
          run--;
          continue;
        }
      }
      if (stored.count(first + run) == 0) {
        firstFree = firstFree < 0 ? first + run : firstFree;
        run++;
      } else {
        first += run + 1;
        run = 0;
      }
    }
    take(first, clusters);
    // All before the first free cluster are in use: who allocates many must not look there again.
    hint = firstFree == first ? first + clusters : firstFree;
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

  /** Gives free clusters that blocks describe refcount 1. */
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
    change(hostOffset, length, 1);
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
      BlockSlice slice = stored.slice(cluster);
      if (slice == null) {
        checkChange(cluster, 0, change);
        throw undescribed(cluster);
      }
      int from = stored.inSlice(cluster);
      int to = (int) Math.min(stored.countsPerSlice, from + end - cluster);
      if (!changeAlike(slice, from, to, change)) {
        changeEach(slice, from, to, cluster, change);
      } else if (change < 0) {
        freed(cluster, cluster + to - from);
      }
      cluster += to - from;
    }
  }

  /**
   * Sets or removes a run's only reference at once: most runs are alike, and a Java machine that
   * has just started takes long for each step of a loop.
   *
   * @return false if the counts are not all 0 (to be 1) or all 1 (to be 0): nothing was changed
   */
  private boolean changeAlike(BlockSlice slice, int from, int to, int change) {
    if (width.order() < BYTE_ORDER || change != 1 && change != -1) {
      return false;
    }
    int shift = width.order() - BYTE_ORDER;
    int first = from << shift;
    int last = to << shift;
    byte[] before = change > 0 ? zeroes : ones;
    if (!Arrays.equals(slice.array, first, last, before, first, last)) {
      return false;
    }
    System.arraycopy(change > 0 ? ones : zeroes, first, slice.array, first, last - first);
    stored.markDirty(slice);
    return true;
  }

  private void changeEach(BlockSlice slice, int from, int to, long cluster, int change)
      throws ImageException {
    for (int i = from; i < to; i++) {
      long old = width.get(slice.bytes, i);
      checkChange(cluster + i - from, old, change);
      width.set(slice.bytes, i, old + change);
      stored.markDirty(slice);
      if (old + change == 0) {
        freed(cluster + i - from, cluster + i - from + 1);
      }
    }
  }

  /** These clusters are free now, and somebody else's next. */
  private void freed(long first, long end) {
    hint = Math.min(hint, first);
    closeOpenCluster(first, end);
  }

  private void closeOpenCluster(long first, long end) {
    long open = openByte >>> geometry.clusterBits();
    if (open >= first && open < end) {
      openByte = 0;
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

  private ImageException undescribed(long cluster) {
    return ImageException.unsafe(
        file.path(),
        String.format(
            "host offset 0x%x is in use, and no refcount block describes it",
            cluster << geometry.clusterBits()));
  }

  /**
   * Whether each cluster of a range has one reference, so that it is nobody's once that is gone; no
   * compressed bytes are allocated in them from now on.
   *
   * @param hostOffset of a cluster
   * @param length whole clusters
   */
  public boolean keepSingle(long hostOffset, long length) throws ImageException {
    long first = hostOffset >>> geometry.clusterBits();
    long end = first + (length >>> geometry.clusterBits());
    for (long cluster = first; cluster < end; ) {
      BlockSlice slice = stored.slice(cluster);
      int from = stored.inSlice(cluster);
      int to = (int) Math.min(stored.countsPerSlice, from + end - cluster);
      if (slice == null || !allOnes(slice, from, to)) {
        return false;
      }
      cluster += to - from;
    }
    closeOpenCluster(first, end);
    return true;
  }

  private boolean allOnes(BlockSlice slice, int from, int to) {
    if (width.order() >= BYTE_ORDER) {
      int shift = width.order() - BYTE_ORDER;
      return Arrays.equals(
          slice.array, from << shift, to << shift, ones, from << shift, to << shift);
    }
    for (int i = from; i < to; i++) {
      if (width.get(slice.bytes, i) != 1) {
        return false;
      }
    }
    return true;
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
      if (stored.count(cluster) == 0 != free) {
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
    long hostOffset = place << geometry.clusterBits();
    if (metadata.overlaps(hostOffset, geometry.clusterSize())) {
      throw undescribedMetadata(stored, hostOffset);
    }
    space.claim(hostOffset, geometry.clusterSize());
    space.writeZeroes(hostOffset, geometry.clusterSize());
    stored.addBlock(cluster, hostOffset);
    change(hostOffset, geometry.clusterSize(), 1);
  }

  static ImageException undescribedMetadata(RefcountBlocks stored, long hostOffset) {
    return ImageException.unsafe(
        stored.file.path(),
        String.format(
            "no refcount block describes host offset 0x%x, but metadata is there; repair the"
                + " image before writing to it",
            hostOffset));
  }

  /**
   * Moves the refcount table to a larger place.
   *
   * <p>The caller also holds the flush lock: no flush is running.
   */
  public void growTable() throws ImageException {
    long oldOffset = stored.tableOffset();
    long oldBytes = stored.tableEntries() * 8;
    new RefcountTableGrowth(stored).run();
    change(oldOffset, oldBytes, -1); // nothing points there any more, durably
  }

  /**
   * Takes the blocks that count nothing, or nothing but themselves, out of the table. All counts
   * are in the file. What is to follow (rule W2): the table made durable, and then the places given
   * back, as far as another block counts them.
   *
   * @return the blocks' host offsets
   */
  public List<Long> dropEmptyBlocks() throws ImageException {
    List<Long> places = new ArrayList<>();
    for (int i = 0; i < stored.tableEntries(); i++) {
      if (stored.isEmptyBlock(i)) {
        places.add(stored.dropBlock(i));
      }
    }
    return places;
  }

  /**
   * Copies all counts as they are now, to be changed out of place. The caller also holds the flush
   * lock: no flush is running.
   */
  public ShadowRefcounts shadow() throws ImageException {
    stored.writeDirty();
    return new ShadowRefcounts(file, geometry, width, stored.table());
  }

  /** The header names another refcount table, durably: everything before is forgotten. */
  public void adopt(long tableOffset, long[] table) {
    stored.adopt(tableOffset, table);
    hint = 0;
  }
}
