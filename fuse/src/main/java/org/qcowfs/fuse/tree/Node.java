package org.qcowfs.fuse.tree;

import java.util.concurrent.atomic.AtomicLong;

/** A folder or a file of a mount. */
public abstract sealed class Node permits Folder, FileNode {
  private static final AtomicLong NEXT_INODE = new AtomicLong(1);

  private final long inode = NEXT_INODE.getAndIncrement();
  private final Timestamp modified;

  Node(Timestamp modified) {
    this.modified = modified;
  }

  /** A number no other node has. */
  public final long inode() {
    return inode;
  }

  /** When what it shows was last changed. */
  public Timestamp modified() {
    return modified;
  }
}
