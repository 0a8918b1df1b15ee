package org.qcowfs.engine.model;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The qcow2 particulars that {@code info} shows.
 *
 * @param version 2 or 3; QEMU calls them compat 0.10 and 1.1
 * @param compressionType {@code zlib} or {@code zstd}
 * @param lazyRefcounts whether refcount updates may be postponed
 * @param refcountBits width of a refcount, 1 to 64
 * @param corrupt whether the image is marked corrupt
 * @param extendedL2 whether clusters have 32 subclusters
 * @param dataFile name of the external data file, or null
 * @param dataFileRaw whether the data file is a valid raw image by itself
 * @param encryption {@code aes} or {@code luks}, or null
 * @param bitmaps persistent dirty bitmaps
 */
public record Qcow2Info(
    int version,
    String compressionType,
    boolean lazyRefcounts,
    int refcountBits,
    boolean corrupt,
    boolean extendedL2,
    @Nullable String dataFile,
    boolean dataFileRaw,
    @Nullable String encryption,
    List<BitmapInfo> bitmaps) {

  /**
   * A persistent dirty bitmap.
   *
   * @param name its name, to be escaped before it is shown
   * @param granularity bytes of guest disk per bit
   * @param inUse whether it was not closed properly, and so cannot be trusted
   * @param auto whether it records writes
   */
  public record BitmapInfo(String name, long granularity, boolean inUse, boolean auto) {}
}
