package org.qcowfs.fuse.tree;

import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;

/** A flat disk. */
class DiskFile extends FileNode {
  private static final int MIN_BLOCK = 4096;
  private static final int MAX_BLOCK = 1 << 20;
  private static final long MIN_REST_NANOS = 1_000_000_000L;

  /** A walk may take one part in this many of the time. */
  private static final int WALK_SHARE = 20;

  private final LazyImage image;
  private final FaultLog log;
  private long allocated = -1;
  private long walkedAtMillis;
  private long walkAgainNanos;

  DiskFile(Timestamp modified, LazyImage image, FaultLog log) {
    super(modified);
    this.image = image;
    this.log = log;
  }

  @Override
  public long size() throws ImageException {
    return image.get().size();
  }

  /** When the disk was last changed, in milliseconds since the epoch; 0 for never. */
  long lastChange() {
    return 0;
  }

  /**
   * Walks the whole map: once, or if the disk changes again after a second (longer where the walk
   * itself takes long).
   */
  @Override
  public synchronized long allocatedBytes() throws ImageException {
    long begin = System.nanoTime();
    if (allocated < 0 || lastChange() >= walkedAtMillis && begin - walkAgainNanos > 0) {
      walkedAtMillis = Math.max(1, System.currentTimeMillis());
      allocated = walk();
      long end = System.nanoTime();
      walkAgainNanos = end + Math.max(MIN_REST_NANOS, WALK_SHARE * (end - begin));
    }
    return allocated;
  }

  /**
   * Where the map is damaged, what the image file occupies stands in for it: a copier then still
   * asks for holes, and learns where the damage is.
   */
  private long walk() throws ImageException {
    Image disk = image.get();
    try {
      return disk.allocatedBytes();
    } catch (ImageException e) {
      log.fault(e);
      return Math.min(disk.size(), disk.info().actualSize());
    }
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
