package org.qcowfs.fuse.tree;

import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;

/** A flat disk. */
class DiskFile extends FileNode {
  private static final int MIN_BLOCK = 4096;
  private static final int MAX_BLOCK = 1 << 20;
  private static final long MIN_REST_NANOS = 1_000_000_000L;

  /** A walk that takes longer is waited for no more. */
  private static final long PATIENCE_NANOS = 1_000_000_000L;

  /** A walk may take one part in this many of the time. */
  private static final int WALK_SHARE = 20;

  private final LazyImage image;
  private final FaultLog log;
  private long allocated = -1;
  private long walkedAtMillis;
  private long walkAgainNanos;
  private long walkBegan;
  private @Nullable FutureTask<Long> walking;
  private volatile int blockSize;

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
   * itself takes long). A walk that waits for storage goes on without those who asked, who get what
   * the last one found, or before the first what the image file occupies.
   */
  @Override
  public long allocatedBytes() throws ImageException {
    FutureTask<Long> running;
    long patience;
    synchronized (this) {
      if (walking == null) {
        boolean isOld = lastChange() >= walkedAtMillis && System.nanoTime() - walkAgainNanos > 0;
        if (allocated >= 0 && !isOld) {
          return allocated;
        }
        walking = new FutureTask<>(this::walkAndRemember);
        walkBegan = System.nanoTime();
        Thread thread = new Thread(walking, "fuse-blocks");
        thread.setDaemon(true);
        thread.start();
      }
      running = walking;
      patience = walkBegan + PATIENCE_NANOS - System.nanoTime();
    }
    try {
      return running.get(patience, TimeUnit.NANOSECONDS);
    } catch (TimeoutException e) {
      synchronized (this) {
        return allocated >= 0 ? allocated : standIn(image.get());
      }
    } catch (ExecutionException e) {
      if (e.getCause() instanceof ImageException failure) {
        throw failure;
      }
      throw new IllegalStateException(e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return standIn(image.get());
    }
  }

  private long walkAndRemember() throws ImageException {
    long begin = System.nanoTime();
    long beginMillis = Math.max(1, System.currentTimeMillis());
    try {
      long found = walk();
      synchronized (this) {
        allocated = found;
        walkedAtMillis = beginMillis;
        long end = System.nanoTime();
        walkAgainNanos = end + Math.max(MIN_REST_NANOS, WALK_SHARE * (end - begin));
      }
      return found;
    } finally {
      synchronized (this) {
        walking = null;
      }
    }
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
      return standIn(disk);
    }
  }

  private static long standIn(Image disk) throws ImageException {
    return Math.min(disk.size(), disk.info().actualSize());
  }

  @Override
  public int blockSize() throws ImageException {
    int known = blockSize;
    if (known == 0) {
      long cluster = image.get().info().clusterSize();
      known = (int) Math.max(MIN_BLOCK, Math.min(cluster, MAX_BLOCK));
      blockSize = known;
    }
    return known;
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
