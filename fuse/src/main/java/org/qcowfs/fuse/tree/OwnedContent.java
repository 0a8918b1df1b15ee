package org.qcowfs.fuse.tree;

import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;

/** Text that was made for one opening of a file, and goes with it. */
final class OwnedContent implements FileContent {
  private final RenderedContent rendered;

  /** Takes over {@code rendered}. */
  OwnedContent(RenderedContent rendered) {
    this.rendered = rendered;
  }

  @Override
  public long size() {
    return rendered.size();
  }

  @Override
  public void read(long offset, DataBuffer dst, int position, int length) throws ImageException {
    rendered.read(offset, dst, position, length);
  }

  @Override
  public long nextData(long offset) {
    return rendered.nextData(offset);
  }

  @Override
  public long nextHole(long offset) {
    return rendered.nextHole(offset);
  }

  @Override
  public void released() throws ImageException {
    rendered.close();
  }
}
