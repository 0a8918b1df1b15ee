package org.qcowfs.fuse.tree;

import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;

/**
 * A document about a disk that is being written: rendered anew for each open, when it is first
 * read, from what has been written by then.
 */
final class LiveJsonFile extends Document {
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
  public boolean isUncached() {
    return true;
  }

  @Override
  public FileContent open() {
    return new Content();
  }

  private final class Content extends Late {
    @Override
    RenderedContent render() throws ImageException {
      disk.writeBack();
      RenderedContent now = JsonFile.render(image, renderer);
      lastSize = now.size();
      return now;
    }

    @Override
    public void released() throws ImageException {
      RenderedContent made = ifRendered();
      if (made != null) {
        made.close();
      }
    }
  }
}
