package org.qcowfs.fuse.tree;

import org.qcowfs.engine.error.ImageException;

/** {@code check.json}: a {@link CheckDocument} that is read to its end, whatever its size says. */
final class CheckFile extends Document {
  private final CheckDocument document;

  CheckFile(Timestamp modified, CheckDocument document) {
    super(modified);
    this.document = document;
  }

  @Override
  public long size() {
    return document.knownSize();
  }

  /** The kernel must not believe the size from before the first reading. */
  @Override
  public boolean isUncached() {
    return true;
  }

  @Override
  public FileContent open() {
    return new Late() {
      @Override
      RenderedContent render() throws ImageException {
        return document.get();
      }
    };
  }
}
