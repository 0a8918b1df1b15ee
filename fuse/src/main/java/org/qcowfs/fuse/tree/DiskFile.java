package org.qcowfs.fuse.tree;

import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;

/** A flat disk. */
final class DiskFile extends FileNode {
  private static final int MIN_BLOCK = 4096;
  private static final int MAX_BLOCK = 1 << 20;

  private final LazyImage image;
  private final FaultLog log;
  private long allocated = -1;

  DiskFile(Timestamp modified, LazyImage image, FaultLog log) {
    super(modified);
    this.image = image;
    this.log = log;
  }

  @Override
  public long size() throws ImageException {
    return image.get().size();
  }

  /**
   * Walks the whole map once. Where the map is damaged, what the image file occupies stands in for
   * it: a copier then still asks for holes, and learns where the damage is.
   */
  @Override
  public synchronized long allocatedBytes() throws ImageException {
    if (allocated < 0) {
      Image disk = image.get();
      try {
        allocated = disk.allocatedBytes();
      } catch (ImageException e) {
        log.fault(e);
        allocated = Math.min(disk.size(), disk.info().actualSize());
      }
    }
    return allocated;
  }

  @Override
  public int blockSize() throws ImageException {
    long cluster = image.get().info().clusterSize();
    return (int) Math.max(MIN_BLOCK, Math.min(cluster, MAX_BLOCK));
  }

  @Override
  public FileContent open() throws ImageException {
    return new Content(image.get());
  }

  private static final class Content implements FileContent {
    private final Image image;
    private final long size;

    Content(Image image) {
      this.image = image;
      this.size = image.size();
    }

    @Override
    public long size() {
      return size;
    }

    @Override
    public void read(long offset, DataBuffer dst, int position, int length) throws ImageException {
      image.read(offset, dst, position, length);
    }

    @Override
    public long nextData(long offset) throws ImageException {
      return image.nextData(offset);
    }

    @Override
    public long nextHole(long offset) throws ImageException {
      return image.nextHole(offset);
    }
  }
}
