package org.qcowfs.fuse.tree;

/** What becomes of a written block of nothing but zeroes. */
public enum DetectZeroes {
  /** It is written. */
  OFF,
  /** It is recorded as zeroes, without giving host space back. */
  ON,
  /** It is recorded as zeroes, and its host space is given back where that is allowed. */
  UNMAP
}
