package org.qcowfs.engine.qcow2;

import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.layer.BackingReference;
import org.qcowfs.engine.layer.Layer;
import org.qcowfs.engine.layer.Mapping;
import org.qcowfs.engine.layer.Preallocated;
import org.qcowfs.engine.model.ImageInfo;
import org.qcowfs.engine.qcow2.mapping.DiskTable;

/**
 * A stretch of a snapshot's guest address space: its disk, or the VM state behind it.
 *
 * <p><b>Thread safety:</b> as {@link Layer}.
 */
final class SnapshotLayer implements Layer, Preallocated {
  private final Qcow2Layer image;
  private final DiskTable table;
  private final long start;
  private final long size;

  /**
   * @param image the open image, which owns the files
   * @param table the snapshot's own mapping
   * @param start where the stretch begins in the snapshot's guest address space
   * @param size its length in bytes
   */
  SnapshotLayer(Qcow2Layer image, DiskTable table, long start, long size) {
    this.image = image;
    this.table = table;
    this.start = start;
    this.size = size;
  }

  @Override
  public HostFile file() {
    return image.file();
  }

  @Override
  public long size() {
    return size;
  }

  @Override
  public @Nullable BackingReference backing() {
    return image.backing();
  }

  @Override
  public void map(long guestOffset, long length, Mapping out) {
    table.map(start + guestOffset, Math.min(length, size - guestOffset), out);
  }

  @Override
  public void readCompressed(
      Mapping mapping, long guestOffset, DataBuffer dst, int position, int length)
      throws ImageException {
    image.readCompressed(mapping, start + guestOffset, dst, position, length);
  }

  @Override
  public boolean isPreallocated() {
    return image.isPreallocated();
  }

  @Override
  public ImageInfo info() throws ImageException {
    return image.info();
  }

  /** Does nothing: the image owns the files. */
  @Override
  public void close() {}
}
