package org.qcowfs.engine.qcow2.format;

/**
 * Every shift and mask that follows from a header's cluster size and L2 entry width.
 *
 * @param clusterBits log2 of the cluster size, 9 to 21
 * @param extendedL2 whether L2 entries are 16 bytes with 32 subclusters, else 8 bytes
 */
public record Geometry(int clusterBits, boolean extendedL2) {
  /** Bits 9-55: the host offset in L1 and L2 entries. */
  public static final long OFFSET_MASK = 0x00fffffffffffe00L;

  /** Bit 63: the refcount of what the entry names is exactly 1. */
  public static final long COPIED = 1L << 63;

  /** Bit 62 of an L2 entry: a compressed cluster. */
  public static final long COMPRESSED = 1L << 62;

  /** Bit 0 of a standard L2 entry (version 3): reads as zeroes. */
  public static final long ZERO = 1;

  /** Bits 0-8 and 56-62 of an L1 entry. */
  public static final long L1_RESERVED = 0x7f000000000001ffL;

  /** Bits 1-8 and 56-61 of a standard L2 entry; bit 0 is reserved too where it is not ZERO. */
  public static final long L2_RESERVED = 0x3f000000000001feL;

  /** Subclusters of a cluster with extended L2 entries. */
  public static final int SUBCLUSTERS = 32;

  /** The geometry of a header with a valid cluster size. */
  public static Geometry of(Header header) {
    return new Geometry(header.clusterBits(), header.has(IncompatibleFeature.EXTENDED_L2));
  }

  public long clusterSize() {
    return 1L << clusterBits;
  }

  /** Log2 of the words (8 bytes) of an L2 entry. */
  public int l2EntryWordBits() {
    return extendedL2 ? 1 : 0;
  }

  /** Log2 of the entries in an L2 table, which is one cluster. */
  public int l2Bits() {
    return clusterBits - 3 - l2EntryWordBits();
  }

  /** Log2 of the guest bytes one L1 entry covers. */
  public int l1Shift() {
    return clusterBits + l2Bits();
  }

  /** Log2 of the subcluster size. */
  public int subclusterBits() {
    return clusterBits - 5;
  }

  /** Log2 of what an entry has either all or nothing of: the subcluster, else the cluster. */
  public int unitBits() {
    return extendedL2 ? subclusterBits() : clusterBits;
  }

  /** L1 entries a disk of {@code bytes} needs. */
  public long l1EntriesFor(long bytes) {
    return (bytes >>> l1Shift()) + ((bytes & (1L << l1Shift()) - 1) == 0 ? 0 : 1);
  }

  /** Offset of {@code offset} within its cluster. */
  public long inCluster(long offset) {
    return offset & clusterSize() - 1;
  }

  /** Host offset of the first compressed byte a descriptor names (spec: bits 0 to x-1). */
  public long compressedOffset(long descriptor) {
    return descriptor & (1L << compressedSizeShift()) - 1;
  }

  /**
   * Bytes from {@link #compressedOffset} to the end of the last 512-byte sector the descriptor
   * names.
   */
  public int compressedBytes(long descriptor) {
    long sectors = (descriptor >>> compressedSizeShift() & (1L << clusterBits - 8) - 1) + 1;
    return (int) (sectors * 512 - (compressedOffset(descriptor) & 511));
  }

  /** The descriptor of compressed bytes: what the two methods above take apart. */
  public long descriptor(long hostOffset, int bytes) {
    long sectors = (hostOffset + bytes - 1 >>> 9) - (hostOffset >>> 9);
    return sectors << compressedSizeShift() | hostOffset;
  }

  /** The spec's x = 62 - (cluster_bits - 8). */
  private int compressedSizeShift() {
    return 62 - (clusterBits - 8);
  }
}
