package org.qcowfs.fuse.tree;

import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;

/** A text about an image: without holes, to be read from start to end. */
abstract class Document extends FileNode {
  private static final int BLOCK_BYTES = 4096;

  Document(Timestamp modified) {
    super(modified);
  }

  @Override
  public final long allocatedBytes() throws ImageException {
    return size();
  }

  @Override
  public final int blockSize() {
    return BLOCK_BYTES;
  }

  /** An open document that is rendered when it is first read, which may take long. */
  abstract static class Late implements FileContent {
    private @Nullable RenderedContent rendered;

    /** Makes the text, or finds one that is there; called once. */
    abstract RenderedContent render() throws ImageException;

    private synchronized RenderedContent rendered() throws ImageException {
      RenderedContent known = rendered;
      if (known == null) {
        known = render();
        rendered = known;
      }
      return known;
    }

    /** The text if it has been read. */
    final synchronized @Nullable RenderedContent ifRendered() {
      return rendered;
    }

    @Override
    public final boolean readMayWait() {
      return true;
    }

    @Override
    public final boolean seekMayWait() {
      return true;
    }

    @Override
    public final long size() throws ImageException {
      return rendered().size();
    }

    @Override
    public final void read(long offset, DataBuffer dst, int position, int length)
        throws ImageException {
      rendered().read(offset, dst, position, length);
    }

    @Override
    public final long nextData(long offset) {
      return offset;
    }

    @Override
    public final long nextHole(long offset) throws ImageException {
      return size();
    }
  }
}
