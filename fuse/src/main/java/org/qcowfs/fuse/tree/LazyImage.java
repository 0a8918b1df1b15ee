package org.qcowfs.fuse.tree;

import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;

/**
 * An image that is opened when it is first asked for; a failure is not remembered.
 *
 * <p><b>Thread safety:</b> any thread.
 */
final class LazyImage {
  /** Opens an image or a view of one. */
  interface Opener {
    Image open() throws ImageException;
  }

  private final Opener opener;
  private @Nullable Image image;

  LazyImage(Opener opener) {
    this.opener = opener;
  }

  synchronized Image get() throws ImageException {
    Image opened = image;
    if (opened == null) {
      opened = opener.open();
      image = opened;
    }
    return opened;
  }
}
