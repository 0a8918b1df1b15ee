package org.qcowfs.fuse.stats;

/** The kinds of request that are counted apart. */
public enum Operation {
  READ("read"),
  WRITE("write"),
  LSEEK("lseek"),
  FALLOCATE("fallocate"),
  FSYNC("fsync"),
  /** The end of one opening of a file. */
  FLUSH("flush"),
  /** Whatever names a path, and the rest. */
  OTHER("other");

  private final String label;

  Operation(String label) {
    this.label = label;
  }

  /** What documents call it. */
  public String label() {
    return label;
  }
}
