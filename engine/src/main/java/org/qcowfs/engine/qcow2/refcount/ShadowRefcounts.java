package org.qcowfs.engine.qcow2.refcount;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.format.Geometry;

/**
 * A copy of all refcount blocks, changed out of place: it becomes the image's refcounts when the
 * header names its table, and not before.
 *
 * <p>Memory: as many bytes as the image has refcount blocks (2 per cluster with 16-bit refcounts).
 *
 * <p><b>Thread safety:</b> none.
 */
public final class ShadowRefcounts {
  private final HostFile file;
  private final Geometry geometry;
  private final RefcountWidth width;
  private final long countsPerBlock;
  private final @Nullable DataBuffer[] blocks;

  ShadowRefcounts(HostFile file, Geometry geometry, RefcountWidth width, long[] table)
      throws ImageException {
    this.file = file;
    this.geometry = geometry;
    this.width = width;
    this.countsPerBlock = width.countsIn(geometry.clusterSize());
    this.blocks = new DataBuffer[table.length];
    for (int i = 0; i < table.length; i++) {
      if (table[i] != 0) {
        DataBuffer block = DataBuffer.allocate((int) geometry.clusterSize(), 8);
        file.read(table[i], block, 0, block.capacity());
        blocks[i] = block;
      }
    }
  }

  /** The refcount of the cluster at {@code hostOffset}. */
  public long get(long hostOffset) {
    long cluster = hostOffset >>> geometry.clusterBits();
    long block = cluster / countsPerBlock;
    DataBuffer bytes = block < blocks.length ? blocks[(int) block] : null;
    return bytes == null ? 0 : width.get(bytes.bytes(), (int) (cluster % countsPerBlock));
  }

  /**
   * Adds {@code change} to the refcount of every cluster a host range touches.
   *
   * @throws ImageException kind {@code NO_SPACE} if a count would exceed its width, {@code CORRUPT}
   *     if it would fall below zero or no block describes the cluster
   */
  public void change(long hostOffset, long length, int change) throws ImageException {
    long last = hostOffset + length - 1 >>> geometry.clusterBits();
    for (long cluster = hostOffset >>> geometry.clusterBits(); cluster <= last; cluster++) {
      long block = cluster / countsPerBlock;
      DataBuffer bytes = block < blocks.length ? blocks[(int) block] : null;
      if (bytes == null) {
        throw damage(cluster, "no refcount block describes it");
      }
      ByteBuffer counts = bytes.bytes();
      int index = (int) (cluster % countsPerBlock);
      long old = width.get(counts, index);
      if (change < 0 && old == 0) {
        throw damage(cluster, "its refcount is 0");
      }
      if (change > 0 && old == width.max()) {
        throw new ImageException(
            ErrorKind.NO_SPACE,
            file.path(),
            String.format(
                "the refcount of host offset 0x%x is %s, the most that %d bits hold",
                cluster << geometry.clusterBits(), Long.toUnsignedString(old), 1 << width.order()));
      }
      width.set(counts, index, old + change);
    }
  }

  private ImageException damage(long cluster, String wrong) {
    return ImageException.corrupt(
        file.path(),
        String.format(
            "host offset 0x%x is in use, and %s; repair the image before changing its snapshots",
            cluster << geometry.clusterBits(), wrong));
  }

  /**
   * Writes the blocks to the clusters {@code places} names, in order, and fills in their table.
   *
   * @return the entries of the refcount table that describes the new blocks
   */
  public long[] write(long[] places) throws ImageException {
    long[] table = new long[blocks.length];
    int next = 0;
    for (int i = 0; i < blocks.length; i++) {
      DataBuffer block = blocks[i];
      if (block != null) {
        table[i] = places[next++];
        file.write(table[i], block, 0, block.capacity());
      }
    }
    return table;
  }
}
