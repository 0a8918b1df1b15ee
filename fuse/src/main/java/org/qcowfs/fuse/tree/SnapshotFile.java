package org.qcowfs.fuse.tree;

import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;

/** A file of a snapshot that may be deleted while it is mounted. */
final class SnapshotFile extends FileNode {
  private final FileNode file;
  private final SnapshotUse use;

  SnapshotFile(FileNode file, SnapshotUse use) {
    super(file.modified());
    this.file = file;
    this.use = use;
  }

  @Override
  public long size() throws ImageException {
    return use.look(file::size);
  }

  @Override
  public long allocatedBytes() throws ImageException {
    return use.look(file::allocatedBytes);
  }

  @Override
  public int blockSize() throws ImageException {
    return use.look(file::blockSize);
  }

  @Override
  public FileContent open() throws ImageException {
    return use.look(
        () -> {
          FileContent content = file.open();
          use.opened();
          return new Content(content, use);
        });
  }

  /** An open file, which keeps the snapshot from being deleted. */
  private record Content(FileContent content, SnapshotUse use) implements FileContent {
    @Override
    public long size() throws ImageException {
      return content.size();
    }

    @Override
    public void read(long offset, DataBuffer dst, int position, int length) throws ImageException {
      content.read(offset, dst, position, length);
    }

    @Override
    public long nextData(long offset) throws ImageException {
      return content.nextData(offset);
    }

    @Override
    public long nextHole(long offset) throws ImageException {
      return content.nextHole(offset);
    }

    @Override
    public void released() throws ImageException {
      use.released();
      content.released();
    }
  }
}
