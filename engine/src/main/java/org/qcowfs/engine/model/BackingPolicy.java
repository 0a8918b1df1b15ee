package org.qcowfs.engine.model;

/** Which files an image may cause to be opened besides itself (backing files, data files). */
public enum BackingPolicy {
  /** Any regular file or block device by path. */
  ANY,
  /** Only files whose real path lies in the folder of the file that names them. */
  SAME_DIR,
  /** None. */
  DENY
}
