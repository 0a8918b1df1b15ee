package org.qcowfs.engine.model;

import org.jspecify.annotations.Nullable;

/**
 * What a new qcow2 image is to be. Immutable; each {@code with} method gives a changed copy.
 *
 * @param size guest disk size in bytes
 * @param clusterSize bytes per cluster: a power of two, 512 to 2 MiB
 * @param version 2 or 3
 * @param refcountBits width of a refcount: a power of two, 1 to 64; 16 in version 2
 * @param extendedL2 whether clusters have 32 subclusters (version 3, clusters of at least 16 KiB)
 * @param lazyRefcounts whether the image allows lazy refcounts (version 3)
 * @param zstd whether compressed clusters use zstd rather than zlib (version 3)
 * @param backingName the backing file's name as it is to be recorded, or null for none
 * @param backingFormat the backing file's format; required with a backing file
 */
public record CreateOptions(
    long size,
    long clusterSize,
    int version,
    int refcountBits,
    boolean extendedL2,
    boolean lazyRefcounts,
    boolean zstd,
    @Nullable String backingName,
    @Nullable String backingFormat) {

  /** QEMU's defaults: version 3, 64 KiB clusters, 16-bit refcounts, no backing file. */
  public static CreateOptions ofSize(long size) {
    return new CreateOptions(size, 1 << 16, 3, 16, false, false, false, null, null);
  }

  public CreateOptions withClusterSize(long value) {
    return new CreateOptions(
        size,
        value,
        version,
        refcountBits,
        extendedL2,
        lazyRefcounts,
        zstd,
        backingName,
        backingFormat);
  }

  public CreateOptions withVersion(int value) {
    return new CreateOptions(
        size,
        clusterSize,
        value,
        refcountBits,
        extendedL2,
        lazyRefcounts,
        zstd,
        backingName,
        backingFormat);
  }

  public CreateOptions withRefcountBits(int value) {
    return new CreateOptions(
        size,
        clusterSize,
        version,
        value,
        extendedL2,
        lazyRefcounts,
        zstd,
        backingName,
        backingFormat);
  }

  public CreateOptions withExtendedL2(boolean value) {
    return new CreateOptions(
        size,
        clusterSize,
        version,
        refcountBits,
        value,
        lazyRefcounts,
        zstd,
        backingName,
        backingFormat);
  }

  public CreateOptions withBacking(String name, String format) {
    return new CreateOptions(
        size, clusterSize, version, refcountBits, extendedL2, lazyRefcounts, zstd, name, format);
  }
}
