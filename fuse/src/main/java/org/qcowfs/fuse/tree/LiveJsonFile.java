package org.qcowfs.fuse.tree;

import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;

/**
 * A document about a disk that is being written: rendered anew for each open, when it is first
 * read, from what has been written by then.
 */
final class LiveJsonFile extends FileNode {
  private final LiveDisk disk;
  private final Image image;
  private final JsonRenderer renderer;

  /** Length of the latest rendering; -1 before the first. */
  private volatile long lastSize = -1;

  /**
   * @param image the view of {@code disk} that is described
   */
  LiveJsonFile(Timestamp modified, LiveDisk disk, Image image, JsonRenderer renderer) {
    super(modified);
    this.disk = disk;
    this.image = image;
    this.renderer = renderer;
  }

  /** That of the latest rendering: programs read to the end, wherever it is then. */
  @Override
  public long size() throws ImageException {
    if (lastSize < 0) {
      try (RenderedContent rendered = JsonFile.render(image, renderer)) {
        lastSize = rendered.size();
      }
    }
    return lastSize;
  }

  @Override
  public long allocatedBytes() throws ImageException {
    return size();
  }

  @Override
  public int blockSize() {
    return 4096;
  }

  @Override
  public boolean isUncached() {
    return true;
  }

  @Override
  public FileContent open() {
    return new Content();
  }

  private final class Content implements FileContent {
    private @Nullable RenderedContent rendered;

    private synchronized RenderedContent rendered() throws ImageException {
      RenderedContent known = rendered;
      if (known == null) {
        disk.writeBack();
        known = JsonFile.render(image, renderer);
        rendered = known;
        lastSize = known.size();
      }
      return known;
    }

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
      return rendered().size();
    }

    @Override
    public void read(long offset, DataBuffer dst, int position, int length) throws ImageException {
      rendered().read(offset, dst, position, length);
    }

    @Override
    public long nextData(long offset) {
      return offset;
    }

    @Override
    public long nextHole(long offset) throws ImageException {
      return size();
    }

    @Override
    public synchronized void released() throws ImageException {
      if (rendered != null) {
        rendered.close();
      }
    }
  }
}
