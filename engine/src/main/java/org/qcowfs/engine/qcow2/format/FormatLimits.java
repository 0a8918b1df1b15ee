package org.qcowfs.engine.qcow2.format;

/** Bounds on what a header may say. */
public final class FormatLimits {
  /** Spec: "Must not be less than 9 (i.e. 512 byte clusters)". */
  public static final int MIN_CLUSTER_BITS = 9;

  /** QEMU's MAX_CLUSTER_BITS: 2 MiB clusters. */
  public static final int MAX_CLUSTER_BITS = 21;

  /** QEMU: extended L2 needs subclusters of at least 512 bytes, so clusters of 16 KiB. */
  public static final int MIN_EXTENDED_CLUSTER_BITS = 14;

  /** Guest disk size in bytes, which can still be rounded up to a cluster. */
  public static final long MAX_DISK_BYTES = Long.MAX_VALUE - (1L << MAX_CLUSTER_BITS);

  /** QEMU's QCOW_MAX_L1_SIZE. */
  public static final long MAX_L1_BYTES = 32L << 20;

  /** QEMU's QCOW_MAX_REFTABLE_SIZE. */
  public static final long MAX_REFCOUNT_TABLE_BYTES = 8L << 20;

  /** QEMU's QCOW_MAX_SNAPSHOTS. */
  public static final int MAX_SNAPSHOTS = 65536;

  /** QEMU's QCOW_MAX_SNAPSHOTS_SIZE. */
  public static final long MAX_SNAPSHOT_TABLE_BYTES = 64L << 20;

  /** Spec: "Must not be longer than 1023 bytes". */
  public static final int MAX_BACKING_NAME_BYTES = 1023;

  /** Ours: header extensions that are kept; the specification knows five. */
  public static final int MAX_EXTENSIONS = 1024;

  /** Ours: payload of all header extensions together; the longest known holds a file name. */
  public static final long MAX_EXTENSION_BYTES = 64L << 10;

  /** Spec: refcount_order "must not exceed 6 (i.e. refcount_bits = 64)". */
  public static final int MAX_REFCOUNT_ORDER = 6;

  /** QEMU's QCOW2_MAX_BITMAPS. */
  public static final long MAX_BITMAPS = 65535;

  /** QEMU's QCOW2_MAX_BITMAP_DIRECTORY_SIZE: 65535 entries of up to 1024 bytes. */
  public static final long MAX_BITMAP_DIRECTORY_BYTES = MAX_BITMAPS * 1024;

  /** Bytes of a version 2 header. */
  public static final int V2_HEADER_BYTES = 72;

  /** Least bytes of a version 3 header. */
  public static final int V3_HEADER_BYTES = 104;

  private FormatLimits() {}
}
