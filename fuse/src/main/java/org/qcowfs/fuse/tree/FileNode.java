package org.qcowfs.fuse.tree;

import org.qcowfs.engine.error.ImageException;

/** A file of a mount. */
public abstract non-sealed class FileNode extends Node {
  FileNode(Timestamp modified) {
    super(modified);
  }

  /** Length in bytes. */
  public abstract long size() throws ImageException;

  /** Bytes that are data; the rest are holes. */
  public abstract long allocatedBytes() throws ImageException;

  /** The unit in bytes a program should read in. */
  public abstract int blockSize() throws ImageException;

  /** Whether {@link #openForWriting} is possible. */
  public boolean isWritable() {
    return false;
  }

  /** As {@link WritableContent#growTo}. */
  public void growTo(long size) throws ImageException {}

  /** Whether what the file shows changes behind the kernel's back: then it may not cache it. */
  public boolean isUncached() {
    return false;
  }

  /** The bytes, for reading. */
  public abstract FileContent open() throws ImageException;

  /** The bytes, for reading and writing, of a file that {@link #isWritable}. */
  public FileContent openForWriting() throws ImageException {
    throw new IllegalStateException("not writable");
  }
}
