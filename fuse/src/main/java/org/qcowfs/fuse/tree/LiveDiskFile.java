package org.qcowfs.fuse.tree;

import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;

/** The flat disk of a mount that writes; or, as one of the layers, the same disk read-only. */
final class LiveDiskFile extends DiskFile {
  private final LiveDisk disk;
  private final boolean writable;

  LiveDiskFile(Timestamp modified, LiveDisk disk, FaultLog log, boolean writable) {
    super(modified, new LazyImage(disk::image), log);
    this.disk = disk;
    this.writable = writable;
  }

  @Override
  public boolean isWritable() {
    return writable;
  }

  /** The read-only one shows what somebody else's inode changes. */
  @Override
  public boolean isUncached() {
    return !writable || disk.policy().cache().direct();
  }

  @Override
  public Timestamp modified() {
    long millis = disk.changedMillis();
    return millis == 0
        ? super.modified()
        : new Timestamp(millis / 1000, (int) (millis % 1000) * 1_000_000);
  }

  @Override
  long lastChange() {
    return disk.changedMillis();
  }

  @Override
  public FileContent open() {
    // A view only looks: what is read through it is not copied from the layers below.
    return new Content(disk, writable ? disk.image() : disk.image().layer(0));
  }

  @Override
  public FileContent openForWriting() {
    disk.writerCame();
    return new Writer(disk);
  }

  @Override
  public void growTo(long size) throws ImageException {
    disk.growTo(size);
  }

  private static class Content implements FileContent {
    private final LiveDisk disk;
    private final Image image;

    Content(LiveDisk disk, Image image) {
      this.disk = disk;
      this.image = image;
    }

    @Override
    public long size() {
      return image.size();
    }

    @Override
    public void read(long offset, DataBuffer dst, int position, int length) throws ImageException {
      image.read(offset, dst, position, length);
    }

    @Override
    public boolean seekMayWait() {
      return disk.hasWriters();
    }

    @Override
    public long nextData(long offset) throws ImageException {
      return disk.nextData(offset);
    }

    @Override
    public long nextHole(long offset) throws ImageException {
      return disk.nextHole(offset);
    }

    @Override
    public void flush() throws ImageException {
      disk.flush();
    }
  }

  private static final class Writer extends Content implements WritableContent {
    private final LiveDisk disk;

    Writer(LiveDisk disk) {
      super(disk, disk.image());
      this.disk = disk;
    }

    @Override
    public void write(long offset, DataBuffer src, int position, int length, boolean durable)
        throws ImageException {
      disk.write(offset, src, position, length, durable);
    }

    @Override
    public void zero(long offset, long length) throws ImageException {
      disk.zero(offset, length);
    }

    @Override
    public void allocate(long offset, long length) throws ImageException {
      disk.allocate(offset, length);
    }

    @Override
    public void growTo(long size) throws ImageException {
      disk.growTo(size);
    }

    @Override
    public void outgrown() {
      disk.outgrown();
    }

    @Override
    public void released() {
      disk.writerWent();
    }
  }
}
