package org.qcowfs.engine.qcow2.check;

import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.Map;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.qcow2.format.Geometry;

/**
 * Mends the entries of an L2 table in memory, where what is right is beyond doubt.
 *
 * <p>What can be read keeps its bytes. An entry that names a host cluster no reader would accept
 * (not on a cluster boundary, past the end of the file) is left as it is, and stays reported.
 *
 * <p><b>Thread safety:</b> none.
 */
final class L2Mender {
  private static final long ALLOCATED = 0xffffffffL;

  private final String path;
  private final Geometry geometry;
  private final boolean externalData;
  private final CheckedFile input;
  private final Checker checker;
  private final ExpectedRefcounts counts;

  /** Entries that get a host cluster of their own, by host offset, and its host offset. */
  private final Map<Long, Long> copies = new LinkedHashMap<>();

  L2Mender(CheckedFile input, Geometry geometry, boolean externalData, Checker checker) {
    this.path = input.file().path();
    this.input = input;
    this.geometry = geometry;
    this.externalData = externalData;
    this.checker = checker;
    this.counts = checker.expected();
  }

  /** Makes the counts those that hold once the table, named {@code times} times, is mended. */
  void count(DataBuffer table, long times) throws ImageException {
    if (externalData) {
      return;
    }
    ByteBuffer words = table.bytes();
    int step = geometry.extendedL2() ? 16 : 8;
    for (int at = 0; at < table.capacity(); at += step) {
      long entry = words.getLong(at);
      long bitmap = geometry.extendedL2() ? words.getLong(at + 8) : 0;
      if (compressedWithBitmap(entry, bitmap)) {
        // A check does not count this one, as QEMU does not, but it reads.
        long descriptor = entry & ~(Geometry.COMPRESSED | Geometry.COPIED);
        add(
            geometry.compressedOffset(descriptor),
            geometry.compressedBytes(descriptor),
            times,
            true);
      } else if (misplacedZero(entry, bitmap)) {
        add(entry & Geometry.OFFSET_MASK, geometry.clusterSize(), times, false);
      }
    }
  }

  private void add(long hostOffset, long bytes, long times, boolean more) throws ImageException {
    if (!checker.counted(hostOffset, bytes)) {
      return;
    }
    long last = hostOffset + bytes - 1 >>> geometry.clusterBits();
    for (long cluster = hostOffset >>> geometry.clusterBits(); cluster <= last; cluster++) {
      if (!more) {
        counts.subtract(cluster, times);
      } else if (counts.add(cluster, times, 0) > 0) {
        throw ImageException.corrupt(
            path,
            String.format(
                "host cluster %d is used more often than the image's refcounts can say", cluster));
      }
    }
  }

  /**
   * Finds entries that share a host cluster more often than refcounts can say; each is to get a
   * copy. The table is named once.
   */
  void separate(DataBuffer table, long l2Offset) {
    int step = geometry.extendedL2() ? 16 : 8;
    for (int at = 0; at < table.capacity() && counts.excessive(); at += step) {
      long entry = table.bytes().getLong(at);
      long offset = entry & Geometry.OFFSET_MASK;
      long cluster = offset >>> geometry.clusterBits();
      if ((entry & Geometry.COMPRESSED) == 0
          && offset != 0
          && !externalData
          && plain(entry)
          && counts.excessive(cluster)) {
        counts.subtract(cluster, 1);
        copies.put(l2Offset + at, 0L);
      }
    }
  }

  /** The entries that get a copy of their host cluster; the new host offset is for the caller. */
  Map<Long, Long> copies() {
    return copies;
  }

  /**
   * Mends the table in memory; the counts are final.
   *
   * @param l2Offset where the table is, which names its entries
   * @param active whether COPIED flags matter: QEMU keeps them in the active disk's tables only
   * @return whether anything was changed
   */
  boolean mend(DataBuffer table, long l2Offset, boolean active) {
    ByteBuffer words = table.bytes();
    boolean changed = false;
    int step = geometry.extendedL2() ? 16 : 8;
    for (int at = 0; at < table.capacity(); at += step) {
      long entry = words.getLong(at);
      long bitmap = geometry.extendedL2() ? words.getLong(at + 8) : 0;
      if (entry == 0) {
        continue;
      }
      long right = entry(entry, bitmap);
      Long copy = copies.isEmpty() ? null : copies.get(l2Offset + at);
      if (copy != null) {
        right = right & ~Geometry.OFFSET_MASK | copy;
      }
      if (active) {
        right = flagged(right);
      }
      long rightBitmap = bitmap(entry, bitmap);
      if (right != entry) {
        words.putLong(at, right);
        changed = true;
      }
      if (rightBitmap != bitmap) {
        words.putLong(at + 8, rightBitmap);
        changed = true;
      }
    }
    return changed;
  }

  private long entry(long entry, long bitmap) {
    if ((entry & Geometry.COMPRESSED) != 0) {
      return externalData ? entry : entry & ~Geometry.COPIED;
    }
    if (misplacedZero(entry, bitmap)) {
      return entry & ~(Geometry.OFFSET_MASK | Geometry.COPIED | Geometry.L2_RESERVED);
    }
    return plain(entry) ? entry & ~Geometry.L2_RESERVED : entry;
  }

  private long bitmap(long entry, long bitmap) {
    if (compressedWithBitmap(entry, bitmap)) {
      return 0;
    }
    boolean hasHost = (entry & Geometry.OFFSET_MASK) != 0 || externalData && entry < 0;
    if ((entry & Geometry.COMPRESSED) == 0 && hasHost && plain(entry)) {
      // Both allocated and zero: the bytes that are there stay within reach.
      return bitmap & ~((bitmap & ALLOCATED) << Geometry.SUBCLUSTERS);
    }
    return bitmap;
  }

  /** With COPIED exactly where the host cluster is used once. */
  private long flagged(long entry) {
    long offset = entry & Geometry.OFFSET_MASK;
    boolean zero = !geometry.extendedL2() && (entry & Geometry.ZERO) != 0;
    boolean named = offset != 0 || externalData && entry < 0 && !zero;
    if (!named || (entry & Geometry.COMPRESSED) != 0) {
      return entry;
    }
    boolean own = externalData || counts.count(offset >>> geometry.clusterBits()) == 1;
    return own ? entry | Geometry.COPIED : entry & ~Geometry.COPIED;
  }

  private boolean compressedWithBitmap(long entry, long bitmap) {
    return (entry & Geometry.COMPRESSED) != 0 && bitmap != 0 && !externalData;
  }

  /** A zero cluster whose preallocated host cluster cannot be one; QEMU forgets it too. */
  private boolean misplacedZero(long entry, long bitmap) {
    boolean data = geometry.extendedL2() ? (bitmap & ALLOCATED) != 0 : (entry & Geometry.ZERO) == 0;
    return (entry & Geometry.COMPRESSED) == 0
        && !data
        && geometry.inCluster(entry & Geometry.OFFSET_MASK) != 0;
  }

  /** Whether the entry names a cluster of the file, or none. */
  private boolean plain(long entry) {
    long offset = entry & Geometry.OFFSET_MASK;
    return geometry.inCluster(offset) == 0 && (externalData || offset < input.length());
  }
}
