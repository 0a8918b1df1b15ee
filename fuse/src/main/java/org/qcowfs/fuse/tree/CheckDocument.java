package org.qcowfs.fuse.tree;

import java.io.Closeable;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;

/**
 * What a check says of an image file: made when it is first read, and kept.
 *
 * <p><b>Thread safety:</b> any thread; the first reader checks, others wait.
 */
final class CheckDocument implements Closeable {
  private final Image image;
  private volatile @Nullable RenderedContent rendered;

  /**
   * @param image a view whose top layer is the file
   */
  CheckDocument(Image image) {
    this.image = image;
  }

  /** The document, after a check if there was none. */
  synchronized RenderedContent get() throws ImageException {
    RenderedContent known = rendered;
    if (known == null) {
      known = JsonFile.render(image, (view, out) -> view.writeCheck(out));
      rendered = known;
    }
    return known;
  }

  /** Its length; 0 before the first reading, which must not begin because a folder is listed. */
  long knownSize() {
    RenderedContent known = rendered;
    return known == null ? 0 : known.size();
  }

  @Override
  public synchronized void close() throws ImageException {
    RenderedContent known = rendered;
    if (known != null) {
      known.close();
      rendered = null;
    }
  }
}
