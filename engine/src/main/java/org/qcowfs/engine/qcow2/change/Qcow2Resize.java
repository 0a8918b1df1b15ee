package org.qcowfs.engine.qcow2.change;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.engine.model.Preallocation;
import org.qcowfs.engine.model.SnapshotInfo;
import org.qcowfs.engine.qcow2.format.FormatLimits;
import org.qcowfs.engine.qcow2.format.Geometry;
import org.qcowfs.engine.qcow2.format.Header;

/**
 * Gives a qcow2 image another size.
 *
 * <p>Growing: what appears reads as zeroes, also over a longer backing file and behind an end
 * inside a cluster. Shrinking: what falls off is given back. Either takes effect as one write of
 * the header.
 */
public final class Qcow2Resize {
  /** Reads guest bytes. */
  @FunctionalInterface
  public interface Visible {
    /** As {@link org.qcowfs.engine.Image#read}. */
    void read(long guestOffset, DataBuffer dst, int position, int length) throws ImageException;
  }

  /**
   * What the new size needs to know of the disk.
   *
   * @param size in bytes, a multiple of 512
   * @param preallocation of what appears
   * @param backingSize size of the backing file's disk, 0 for none
   * @param visible the disk as it is, through its chain
   * @param dataFile the external data file, or null
   */
  public record Request(
      long size,
      Preallocation preallocation,
      long backingSize,
      Visible visible,
      @Nullable HostFile dataFile) {}

  private final ImageEdit edit;
  private final Request request;
  private final Geometry geometry;
  private final long clusterSize;
  private final int step;
  private final long oldSize;
  private final long[] oldL1;
  private final long[] l1;

  /** L1 entries whose L2 tables have been written anew. */
  private final BitSet moved = new BitSet();

  /** The L2 table at hand: its L1 index, its words, whether they differ from the file's. */
  private int current = -1;

  private long[] words = new long[0];
  private boolean dirty;

  /** Words that the new tables no longer have. */
  private final List<Long> replaced = new ArrayList<>();

  private Qcow2Resize(ImageEdit edit, Request request) throws ImageException {
    this.edit = edit;
    this.request = request;
    this.geometry = edit.geometry;
    this.clusterSize = edit.clusterSize;
    this.step = 1 << geometry.l2EntryWordBits();
    this.oldSize = edit.header.size();
    this.oldL1 = edit.activeL1();
    long entries = geometry.l1EntriesFor(request.size);
    if (request.size > Long.MAX_VALUE - (1L << 21) || entries * 8 > FormatLimits.MAX_L1_BYTES) {
      throw new ImageException(
          ErrorKind.NO_SPACE,
          edit.file.path(),
          "Failed to grow the L1 table: File too large",
          Errno.EFBIG,
          null);
    }
    this.l1 = Arrays.copyOf(oldL1, (int) entries);
  }

  /**
   * Resizes the image in {@code file}, which is open for writing and locked.
   *
   * @throws ImageException kind {@code UNSUPPORTED} for a version 2 image with snapshots, {@code
   *     NO_SPACE} with EFBIG for a size the format cannot have; the image is then as it was
   */
  public static void resize(HostFile file, Request request) throws ImageException {
    ImageEdit edit = ImageEdit.begin(file);
    try {
      new Qcow2Resize(edit, request).run();
    } catch (ImageException e) {
      edit.abandon(e);
      throw e;
    }
  }

  private void run() throws ImageException {
    refuse();
    if (request.size == oldSize) {
      return;
    }
    if (request.size > oldSize) {
      grow();
    } else {
      dropWords(request.size);
    }
    storeTable();
    boolean tables = l1.length != oldL1.length || !moved.isEmpty();
    Qcow2Bitmaps bitmaps = Qcow2Bitmaps.of(edit);
    bitmaps.resize(request.size);
    if (tables) {
      long host = edit.allocateBytes(l1.length * 8L);
      edit.writeWords(host, l1);
      edit.next.l1Offset = host;
      edit.next.l1Entries = l1.length;
    }
    bitmaps.store();
    edit.next.size = request.size;
    HostFile data = request.dataFile;
    if (data != null && request.size > oldSize && request.preallocation != Preallocation.OFF) {
      data.sync();
    }
    edit.switchHeader();
    if (tables) {
      giveBack();
    }
    bitmaps.giveBack();
    if (data != null && request.size < oldSize && data.resizable()) {
      data.truncate(request.size);
    }
    if (request.size < oldSize) {
      if (tables) {
        lowerTables();
      }
      edit.releaseRefcountBlocks();
    }
    edit.finish();
  }

  private void refuse() throws ImageException {
    Header header = edit.header;
    if (request.size % 512 != 0) {
      throw unsupported("The new size must be a multiple of 512");
    }
    // A version 2 snapshot does not record the disk's size (QEMU refuses too).
    if (header.version() < 3 && !edit.snapshots.snapshots().isEmpty()) {
      throw unsupported("Can't resize a v2 image which has snapshots");
    }
    for (SnapshotInfo snapshot : edit.snapshots.snapshots()) {
      if (snapshot.diskSize() < 0) {
        throw ImageException.corrupt(
            edit.file.path(), "snapshot table entry " + snapshot.index() + " has a bad disk size");
      }
    }
    if (request.size < oldSize && request.preallocation != Preallocation.OFF) {
      throw unsupported("Preallocation can't be used for shrinking an image");
    }
    HostFile data = request.dataFile;
    if (data != null && !data.resizable() && data.length() < request.size) {
      throw new ImageException(ErrorKind.NO_SPACE, data.path(), "Cannot grow device files");
    }
  }

  private ImageException unsupported(String detail) {
    return new ImageException(ErrorKind.UNSUPPORTED, edit.file.path(), detail);
  }

  // --------------------------------------------------------------------------------------- growing

  private void grow() throws ImageException {
    HostFile data = request.dataFile;
    if (data != null && data.resizable()) {
      if (data.length() > oldSize) {
        data.truncate(oldSize); // what was behind the end must not appear
      }
      data.truncate(request.size);
    }
    dropWords(oldSize);
    clearTail();
    if (request.preallocation != Preallocation.OFF) {
      preallocate();
    } else if (request.backingSize > oldSize) {
      hideBacking();
    }
  }

  /** Takes the L2 table of an L1 entry at hand, or an empty one where there is none. */
  private void open(int index) throws ImageException {
    if (index != current) {
      storeTable();
      long entry = l1[index];
      words =
          (entry & Geometry.OFFSET_MASK) == 0
              ? new long[(int) (clusterSize / 8)]
              : edit.readL2(entry);
      current = index;
    }
  }

  /** Writes the L2 table at hand to a new place if it has changed. */
  private void storeTable() throws ImageException {
    if (dirty) {
      long host = moved.get(current) ? l1[current] & Geometry.OFFSET_MASK : edit.allocate(1);
      edit.writeWords(host, words);
      l1[current] = host | Geometry.COPIED;
      moved.set(current);
      dirty = false;
    }
  }

  /** Replaces an entry of the table at hand. */
  private void set(int i, long word, long bitmap) {
    if (words[i] != 0) {
      replaced.add(words[i]);
    }
    words[i] = word;
    if (geometry.extendedL2()) {
      words[i + 1] = bitmap;
    }
    dirty = true;
  }

  private int l1Index(long guestOffset) {
    return (int) (guestOffset >>> geometry.l1Shift());
  }

  private int wordIndex(long guestOffset) {
    int entry = (int) (guestOffset >>> geometry.clusterBits()) & (1 << geometry.l2Bits()) - 1;
    return entry << geometry.l2EntryWordBits();
  }

  /** The cluster around an old end inside it must read as zeroes behind that end. */
  private void clearTail() throws ImageException {
    long inside = geometry.inCluster(oldSize);
    long start = oldSize - inside;
    boolean backed = request.backingSize > oldSize;
    if (inside == 0 || (l1[l1Index(start)] & Geometry.OFFSET_MASK) == 0 && !backed) {
      return;
    }
    open(l1Index(start));
    int i = wordIndex(start);
    long word = words[i];
    if (isZero(i, backed) || !hasData(word) && !backed || isZeroBehind(word, inside)) {
      return;
    }
    DataBuffer bytes = DataBuffer.allocate((int) clusterSize);
    request.visible.read(start, bytes, 0, (int) inside);
    HostFile data = request.dataFile;
    long host = start;
    if (data == null) {
      host = edit.allocate(1);
      edit.file.write(host, bytes, 0, (int) clusterSize);
    } else {
      data.write(host, bytes, 0, (int) Math.min(clusterSize, request.size - start));
      data.sync();
    }
    set(i, host | Geometry.COPIED, 0xffffffffL);
  }

  private boolean hasData(long word) {
    return (word & (Geometry.COMPRESSED | Geometry.OFFSET_MASK)) != 0
        || edit.externalData() && (word & Geometry.COPIED) != 0;
  }

  /** Whether an entry says that its whole cluster reads as zeroes. */
  private boolean isZero(int i, boolean backed) {
    if ((words[i] & Geometry.COMPRESSED) != 0) {
      return false;
    }
    if (geometry.extendedL2()) {
      boolean allZero = words[i + 1] >>> 32 == 0xffffffffL;
      return (int) words[i + 1] == 0 && (allZero || !backed);
    }
    return edit.header.version() >= 3 && (words[i] & Geometry.ZERO) != 0;
  }

  /** Whether a plain cluster of the image's own is zero from {@code inside} on already. */
  private boolean isZeroBehind(long word, long inside) throws ImageException {
    if ((word & (Geometry.COMPRESSED | Geometry.COPIED)) != Geometry.COPIED
        || geometry.extendedL2()
        || edit.externalData()) {
      return false;
    }
    int length = (int) (clusterSize - inside);
    DataBuffer tail = DataBuffer.allocate(length);
    int got = edit.file.read((word & Geometry.OFFSET_MASK) + inside, tail, 0, length);
    for (int i = 0; i < got; i++) {
      if (tail.bytes().get(i) != 0) {
        return false;
      }
    }
    return true;
  }

  /** First guest offset whose cluster lies wholly behind the old end. */
  private long appearing() {
    return oldSize + clusterSize - 1 & -clusterSize;
  }

  /** Zero clusters over what a longer backing file would show. */
  private void hideBacking() throws ImageException {
    long end = Math.min(request.size, request.backingSize);
    if (appearing() < end && edit.header.version() < 3) {
      throw unsupported("Failed to zero out new clusters: Operation not supported");
    }
    for (long at = appearing(); at < end; at += clusterSize) {
      open(l1Index(at));
      set(wordIndex(at), geometry.extendedL2() ? 0 : Geometry.ZERO, -1L << 32);
    }
  }

  /** Clusters of the image's own for all that appears, which read as zeroes. */
  private void preallocate() throws ImageException {
    long first = appearing();
    if (first >= request.size) {
      return;
    }
    HostFile data = request.dataFile;
    if (data != null) {
      reserve(data, first, request.size - first);
    }
    long most = Math.max(1, (1L << 30) >>> geometry.clusterBits());
    long count = edit.clusters(request.size - first);
    for (long done = 0; done < count; done += most) {
      long part = Math.min(count - done, most);
      long guest = first + done * clusterSize;
      long host = guest;
      if (data == null) {
        // Nothing can be behind the end of a device; there zeroes are written.
        host = edit.file.resizable() ? edit.allocateFresh(part) : edit.allocate(part);
        reserve(edit.file, host, part * clusterSize);
      }
      for (long i = 0; i < part; i++) {
        open(l1Index(guest + i * clusterSize));
        set(
            wordIndex(guest + i * clusterSize),
            host + i * clusterSize | Geometry.COPIED,
            0xffffffffL);
      }
    }
  }

  private void reserve(HostFile file, long hostOffset, long length) throws ImageException {
    if (request.preallocation == Preallocation.FALLOC && file.resizable()) {
      file.allocate(hostOffset, length);
    } else if (request.preallocation == Preallocation.FULL || !file.resizable()) {
      DataBuffer zeroes = DataBuffer.allocate((int) Math.min(length, 1 << 20));
      for (long done = 0; done < length; done += zeroes.capacity()) {
        file.write(hostOffset + done, zeroes, 0, (int) Math.min(length - done, zeroes.capacity()));
      }
    }
  }

  // ---------------------------------------------------------------------------------------- tables

  /** Drops the entries of the clusters that lie behind {@code end}, from the tables that stay. */
  private void dropWords(long end) throws ImageException {
    long first = end + clusterSize - 1 & -clusterSize;
    for (int index = l1Index(first); index < Math.min(l1.length, oldL1.length); index++) {
      if ((l1[index] & Geometry.OFFSET_MASK) == 0) {
        continue;
      }
      open(index);
      for (int i = index == l1Index(first) ? wordIndex(first) : 0; i < words.length; i += step) {
        if (words[i] != 0 || geometry.extendedL2() && words[i + 1] != 0) {
          set(i, 0, 0);
        }
      }
    }
  }

  /** What only the old tables named. */
  private void giveBack() throws ImageException {
    for (long word : replaced) {
      edit.releaseData(word);
    }
    for (int i = 0; i < oldL1.length; i++) {
      long l2 = oldL1[i] & Geometry.OFFSET_MASK;
      if (l2 == 0) {
        continue;
      }
      if (i >= l1.length) {
        long[] entries = edit.readL2(oldL1[i]);
        for (int w = 0; w < entries.length; w += step) {
          edit.releaseData(entries[w]);
        }
      }
      if (i >= l1.length || moved.get(i)) {
        edit.release(l2, clusterSize);
      }
    }
    if (oldL1.length > 0) {
      edit.release(edit.header.l1Offset(), oldL1.length * 8L);
    }
  }

  /** The tables that were made behind everything must not hold the file long: there is room now. */
  private void lowerTables() throws ImageException {
    List<Long> left = new ArrayList<>();
    for (int i = moved.nextSetBit(0); i >= 0; i = moved.nextSetBit(i + 1)) {
      long high = l1[i] & Geometry.OFFSET_MASK;
      long low = edit.allocate(1);
      edit.writeWords(low, edit.readL2(l1[i]));
      l1[i] = low | Geometry.COPIED;
      left.add(high);
    }
    long bytes = l1.length * 8L;
    long high = edit.next.l1Offset;
    edit.next.l1Offset = edit.allocateBytes(bytes);
    edit.writeWords(edit.next.l1Offset, l1);
    edit.switchHeader();
    for (long host : left) {
      edit.release(host, clusterSize);
    }
    edit.release(high, bytes);
  }
}
