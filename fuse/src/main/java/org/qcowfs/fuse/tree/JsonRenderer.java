package org.qcowfs.fuse.tree;

import java.io.IOException;
import java.io.OutputStream;
import org.qcowfs.engine.Image;

/** Writes what a command would print of an image. */
public interface JsonRenderer {
  /**
   * Writes the document to {@code out}.
   *
   * @throws IOException as the image or {@code out} throws it
   */
  void render(Image image, OutputStream out) throws IOException;
}
