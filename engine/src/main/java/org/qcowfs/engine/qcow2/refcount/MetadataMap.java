package org.qcowfs.engine.qcow2.refcount;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.model.SnapshotInfo;
import org.qcowfs.engine.qcow2.format.FormatLimits;
import org.qcowfs.engine.qcow2.format.Geometry;

/**
 * The host clusters that hold metadata: one bit per cluster, in pages that exist only where a bit
 * is set.
 *
 * <p><b>Thread safety:</b> safe; the methods exclude one another.
 */
public final class MetadataMap {
  private static final int PAGE_BITS = 15;
  private static final int PAGE_WORDS = 1 << PAGE_BITS - 6;

  private final String file;
  private final Geometry geometry;
  private @Nullable long[][] pages = new long[16][];

  public MetadataMap(String file, Geometry geometry) {
    this.file = file;
    this.geometry = geometry;
  }

  /** Marks the clusters a host range touches. */
  public synchronized void add(long hostOffset, long length) {
    long end = end(hostOffset, length);
    for (long cluster = first(hostOffset); cluster < end; cluster++) {
      int page = (int) (cluster >>> PAGE_BITS);
      if (page >= pages.length) {
        pages = Arrays.copyOf(pages, Math.max(page + 1, pages.length * 2));
      }
      long[] words = pages[page];
      if (words == null) {
        words = new long[PAGE_WORDS];
        pages[page] = words;
      }
      words[word(cluster)] |= 1L << cluster;
    }
  }

  /**
   * As {@link #add}, for a structure that the image names and nobody has judged yet.
   *
   * @param what the structure, for the message
   * @param fileLength of the image file in bytes
   * @throws ImageException kind {@code CORRUPT} if it does not lie in the file
   */
  public void addNamed(String what, long hostOffset, long length, long fileLength)
      throws ImageException {
    if (hostOffset < 0
        || hostOffset >= fileLength
        || length > fileLength - hostOffset + geometry.clusterSize()) {
      throw ImageException.corrupt(
          file,
          String.format(
              "%s of %d bytes at host offset 0x%x is not inside the file (%d bytes); repair the"
                  + " image before writing to it",
              what, length, hostOffset, fileLength));
    }
    add(hostOffset, length);
  }

  /**
   * Marks the L1 tables of snapshots.
   *
   * @throws ImageException as {@link #addNamed}, and for a table larger than any may be
   */
  public void addSnapshots(List<SnapshotInfo> snapshots, long fileLength) throws ImageException {
    for (SnapshotInfo snapshot : snapshots) {
      long bytes = snapshot.l1Entries() * 8L;
      if (bytes > FormatLimits.MAX_L1_BYTES) {
        throw ImageException.corrupt(
            file,
            "the L1 table of snapshot table entry "
                + snapshot.index()
                + " has "
                + snapshot.l1Entries()
                + " entries, expected at most "
                + FormatLimits.MAX_L1_BYTES / 8
                + "; repair the image before writing to it");
      }
      if (bytes > 0) {
        addNamed("snapshot L1 table", snapshot.l1Offset(), bytes, fileLength);
      }
    }
  }

  /** Unmarks the clusters a host range touches. */
  public synchronized void remove(long hostOffset, long length) {
    long end = end(hostOffset, length);
    for (long cluster = first(hostOffset); cluster < end; cluster++) {
      long[] words = page(cluster);
      if (words != null) {
        words[word(cluster)] &= ~(1L << cluster);
      }
    }
  }

  /** Forgets everything. */
  public synchronized void clear() {
    Arrays.fill(pages, null);
  }

  /** Whether a host range touches metadata. */
  public synchronized boolean overlaps(long hostOffset, long length) {
    long end = end(hostOffset, length);
    for (long cluster = first(hostOffset); cluster < end; cluster++) {
      long[] words = page(cluster);
      if (words != null && (words[word(cluster)] & 1L << cluster) != 0) {
        return true;
      }
    }
    return false;
  }

  /**
   * Refuses a write that would destroy metadata (rule W8).
   *
   * @throws ImageException kind {@code CORRUPT}
   */
  public void checkWrite(long hostOffset, long length) throws ImageException {
    if (overlaps(hostOffset, length)) {
      throw ImageException.unsafe(
          file,
          String.format(
              "refused to write %d bytes of guest data at host offset 0x%x, which holds metadata",
              length, hostOffset));
    }
  }

  private long @Nullable [] page(long cluster) {
    long page = cluster >>> PAGE_BITS;
    return page < pages.length ? pages[(int) page] : null;
  }

  private static int word(long cluster) {
    return (int) (cluster >>> 6) & PAGE_WORDS - 1;
  }

  private long first(long hostOffset) {
    return hostOffset >>> geometry.clusterBits();
  }

  private long end(long hostOffset, long length) {
    return hostOffset + length + geometry.clusterSize() - 1 >>> geometry.clusterBits();
  }
}
