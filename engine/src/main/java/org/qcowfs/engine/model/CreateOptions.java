package org.qcowfs.engine.model;

import org.jspecify.annotations.Nullable;

/**
 * What a new qcow2 image is to be. Each {@code with} method gives a changed copy.
 *
 * <p><b>Thread safety:</b> immutable.
 */
public final class CreateOptions {
  private long size;
  private long clusterSize = 1 << 16;
  private int version = 3;
  private int refcountBits = 16;
  private boolean extendedL2;
  private boolean lazyRefcounts;
  private boolean zstd;
  private Preallocation preallocation = Preallocation.OFF;
  private @Nullable String backingName;
  private @Nullable String backingFormat;
  private @Nullable String dataFile;
  private boolean dataFileRaw;

  private CreateOptions() {}

  /** QEMU's defaults: version 3, 64 KiB clusters, 16-bit refcounts, no backing file. */
  public static CreateOptions ofSize(long size) {
    CreateOptions options = new CreateOptions();
    options.size = size;
    return options;
  }

  private CreateOptions copy() {
    CreateOptions copy = new CreateOptions();
    copy.size = size;
    copy.clusterSize = clusterSize;
    copy.version = version;
    copy.refcountBits = refcountBits;
    copy.extendedL2 = extendedL2;
    copy.lazyRefcounts = lazyRefcounts;
    copy.zstd = zstd;
    copy.preallocation = preallocation;
    copy.backingName = backingName;
    copy.backingFormat = backingFormat;
    copy.dataFile = dataFile;
    copy.dataFileRaw = dataFileRaw;
    return copy;
  }

  /** Guest disk size in bytes. */
  public long size() {
    return size;
  }

  /** Bytes per cluster: a power of two, 512 to 2 MiB. */
  public long clusterSize() {
    return clusterSize;
  }

  /** 2 or 3. */
  public int version() {
    return version;
  }

  /** Width of a refcount: a power of two, 1 to 64; 16 in version 2. */
  public int refcountBits() {
    return refcountBits;
  }

  /** Whether clusters have 32 subclusters (version 3, clusters of at least 16 KiB). */
  public boolean extendedL2() {
    return extendedL2;
  }

  /** Whether the image allows lazy refcounts (version 3). */
  public boolean lazyRefcounts() {
    return lazyRefcounts;
  }

  /** Whether compressed clusters use zstd rather than zlib (version 3). */
  public boolean zstd() {
    return zstd;
  }

  /** How much of the disk gets host space at once. */
  public Preallocation preallocation() {
    return preallocation;
  }

  /** The backing file's name as it is to be recorded, or null for none. */
  public @Nullable String backingName() {
    return backingName;
  }

  /** The backing file's format as it is to be recorded, or null. */
  public @Nullable String backingFormat() {
    return backingFormat;
  }

  /** The name of an external data file as it is to be recorded, or null for none (version 3). */
  public @Nullable String dataFile() {
    return dataFile;
  }

  /** Whether the external data file is to stay a valid raw image. */
  public boolean dataFileRaw() {
    return dataFileRaw;
  }

  /** A copy with another {@link #size()}. */
  public CreateOptions withSize(long value) {
    CreateOptions copy = copy();
    copy.size = value;
    return copy;
  }

  /** A copy with another {@link #clusterSize()}. */
  public CreateOptions withClusterSize(long value) {
    CreateOptions copy = copy();
    copy.clusterSize = value;
    return copy;
  }

  /** A copy with another {@link #version()}. */
  public CreateOptions withVersion(int value) {
    CreateOptions copy = copy();
    copy.version = value;
    return copy;
  }

  /** A copy with another {@link #refcountBits()}. */
  public CreateOptions withRefcountBits(int value) {
    CreateOptions copy = copy();
    copy.refcountBits = value;
    return copy;
  }

  /** A copy with another {@link #extendedL2()}. */
  public CreateOptions withExtendedL2(boolean value) {
    CreateOptions copy = copy();
    copy.extendedL2 = value;
    return copy;
  }

  /** A copy with another {@link #lazyRefcounts()}. */
  public CreateOptions withLazyRefcounts(boolean value) {
    CreateOptions copy = copy();
    copy.lazyRefcounts = value;
    return copy;
  }

  /** A copy with another {@link #zstd()}. */
  public CreateOptions withZstd(boolean value) {
    CreateOptions copy = copy();
    copy.zstd = value;
    return copy;
  }

  /** A copy with another {@link #preallocation()}. */
  public CreateOptions withPreallocation(Preallocation value) {
    CreateOptions copy = copy();
    copy.preallocation = value;
    return copy;
  }

  /** A copy with another {@link #dataFile()}. */
  public CreateOptions withDataFile(@Nullable String value) {
    CreateOptions copy = copy();
    copy.dataFile = value;
    return copy;
  }

  /** A copy with another {@link #dataFileRaw()}. */
  public CreateOptions withDataFileRaw(boolean value) {
    CreateOptions copy = copy();
    copy.dataFileRaw = value;
    return copy;
  }

  /** A copy with a backing file. */
  public CreateOptions withBacking(@Nullable String name, @Nullable String format) {
    CreateOptions copy = copy();
    copy.backingName = name;
    copy.backingFormat = format;
    return copy;
  }
}
