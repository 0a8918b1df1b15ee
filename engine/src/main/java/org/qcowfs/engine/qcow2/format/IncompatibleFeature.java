package org.qcowfs.engine.qcow2.format;

/** Incompatible features this reader knows (spec: "Header", bytes 72-79). */
public enum IncompatibleFeature {
  /** Refcounts may be out of date; they must be checked before the first write. */
  DIRTY(0),
  /** Data structures are known to be damaged: read-only until repaired. */
  CORRUPT(1),
  /** Guest clusters live in the file the data-file extension names. */
  EXTERNAL_DATA_FILE(2),
  /** The compression type field is not zlib. */
  COMPRESSION_TYPE(3),
  /** L2 entries are 128 bits, with 32 subclusters. */
  EXTENDED_L2(4);

  private final int bit;

  IncompatibleFeature(int bit) {
    this.bit = bit;
  }

  public long mask() {
    return 1L << bit;
  }

  /** All known features together. */
  public static long knownMask() {
    long mask = 0;
    for (IncompatibleFeature feature : values()) {
      mask |= feature.mask();
    }
    return mask;
  }
}
