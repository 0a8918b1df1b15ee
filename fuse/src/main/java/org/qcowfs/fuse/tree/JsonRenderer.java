package org.qcowfs.fuse.tree;

import java.io.IOException;
import org.qcowfs.engine.Image;

/** Writes a document about an image. */
interface JsonRenderer {
  /**
   * Writes the document to {@code out}, in ASCII.
   *
   * @throws IOException as the image or {@code out} throws it
   */
  void render(Image image, Appendable out) throws IOException;
}
