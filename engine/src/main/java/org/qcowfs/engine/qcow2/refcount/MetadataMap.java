package org.qcowfs.engine.qcow2.refcount;

import java.util.BitSet;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.qcow2.format.Geometry;

/**
 * The host clusters that hold metadata: one bit per cluster of the file, whatever the tables say.
 *
 * <p><b>Thread safety:</b> {@link #add}, {@link #remove} and {@link #overlaps} exclude one another.
 */
public final class MetadataMap {
  private final String file;
  private final Geometry geometry;
  private final BitSet clusters = new BitSet();

  public MetadataMap(String file, Geometry geometry) {
    this.file = file;
    this.geometry = geometry;
  }

  /** Marks the clusters a host range touches. */
  public synchronized void add(long hostOffset, long length) {
    clusters.set(first(hostOffset), end(hostOffset, length));
  }

  /** Unmarks the clusters a host range touches. */
  public synchronized void remove(long hostOffset, long length) {
    clusters.clear(first(hostOffset), end(hostOffset, length));
  }

  /** Forgets everything. */
  public synchronized void clear() {
    clusters.clear();
  }

  /** Whether a host range touches metadata. */
  public synchronized boolean overlaps(long hostOffset, long length) {
    int next = clusters.nextSetBit(first(hostOffset));
    return next >= 0 && next < end(hostOffset, length);
  }

  /**
   * Refuses a write that would destroy metadata (rule W8).
   *
   * @throws ImageException kind {@code CORRUPT}
   */
  public void checkWrite(long hostOffset, long length) throws ImageException {
    if (overlaps(hostOffset, length)) {
      throw ImageException.corrupt(
          file,
          String.format(
              "refused to write %d bytes of guest data at host offset 0x%x, which holds metadata",
              length, hostOffset));
    }
  }

  private int first(long hostOffset) {
    return (int) Math.min(Integer.MAX_VALUE, hostOffset >>> geometry.clusterBits());
  }

  private int end(long hostOffset, long length) {
    long end = hostOffset + length + geometry.clusterSize() - 1;
    return (int) Math.min(Integer.MAX_VALUE, end >>> geometry.clusterBits());
  }
}
