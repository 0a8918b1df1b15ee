package org.qcowfs.fuse.tree;

import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;

/** {@code check.json}: a {@link CheckDocument} that is read to its end, whatever its size says. */
final class CheckFile extends FileNode {
  private final CheckDocument document;

  CheckFile(Timestamp modified, CheckDocument document) {
    super(modified);
    this.document = document;
  }

  @Override
  public long size() {
    return document.knownSize();
  }

  @Override
  public long allocatedBytes() {
    return size();
  }

  @Override
  public int blockSize() {
    return 4096;
  }

  /** The kernel must not believe the size from before the first reading. */
  @Override
  public boolean isUncached() {
    return true;
  }

  @Override
  public FileContent open() {
    return new Content();
  }

  private final class Content implements FileContent {
    /** A check takes its time: not on a thread that serves others. */
    @Override
    public boolean readMayWait() {
      return true;
    }

    @Override
    public boolean seekMayWait() {
      return true;
    }

    @Override
    public long size() throws ImageException {
      return document.get().size();
    }

    @Override
    public void read(long offset, DataBuffer dst, int position, int length) throws ImageException {
      document.get().read(offset, dst, position, length);
    }

    @Override
    public long nextData(long offset) {
      return offset;
    }

    @Override
    public long nextHole(long offset) throws ImageException {
      return size();
    }
  }
}
