package org.qcowfs.engine.convert;

import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.json.MapEntry;
import org.qcowfs.engine.json.MapWalk;
import org.qcowfs.engine.model.CreateOptions;
import org.qcowfs.engine.model.Preallocation;
import org.qcowfs.engine.model.Qcow2Info;
import org.qcowfs.engine.qcow2.Qcow2Creator;
import org.qcowfs.engine.qcow2.format.FormatLimits;

/**
 * How large an image will be.
 *
 * @param required bytes of a copy of the disk as it is now
 * @param fullyAllocated bytes of an image of that size with data everywhere
 */
public record Measure(long required, long fullyAllocated) {
  /** A raw image: as large as the disk. */
  public static Measure raw(long size) {
    long whole = size + 511 & ~511L;
    return new Measure(whole, whole);
  }

  /**
   * A qcow2 image without data.
   *
   * @throws ImageException kind {@code UNSUPPORTED} if the format has no image of that size or such
   *     clusters or refcounts
   */
  public static Measure empty(CreateOptions options) throws ImageException {
    Qcow2Creator.checkGeometry("", options);
    return of(options, 0);
  }

  /**
   * A qcow2 image that holds what {@code source} does.
   *
   * @param options with the source's size
   */
  public static Measure copy(Image source, CreateOptions options) throws ImageException {
    Qcow2Creator.checkGeometry("", options);
    long cluster = options.clusterSize();
    long data = 0;
    long counted = 0;
    MapWalk walk = new MapWalk(source, 0);
    for (MapEntry entry = walk.next(); entry != null; entry = walk.next()) {
      if (entry.damage() != null) {
        throw entry.damage();
      }
      if (entry.zero() || !entry.data()) {
        continue;
      }
      // Each cluster once, though several extents may lie in it.
      long first = Math.max(counted, entry.start() & -cluster);
      long end = entry.start() + entry.length() + cluster - 1 & -cluster;
      data += Math.max(0, end - first);
      counted = Math.max(counted, end);
    }
    return of(options, data);
  }

  private static Measure of(CreateOptions options, long data) throws ImageException {
    long cluster = options.clusterSize();
    long size = options.size() + cluster - 1 & -cluster;
    int entryBytes = options.extendedL2() ? 16 : 8;
    long perTable = cluster / entryBytes;
    long tables = (size / cluster + perTable - 1) / perTable;
    long l1Entries = (tables + cluster / 8 - 1) / (cluster / 8) * (cluster / 8);
    if (tables * 8 > FormatLimits.MAX_L1_BYTES) {
      throw new ImageException(
          ErrorKind.UNSUPPORTED,
          "",
          "The image size is too large (try using a larger cluster size)");
    }
    long metadata = cluster + tables * cluster + l1Entries * 8;
    long all = metadata + refcounts((metadata + size) / cluster, options) + size;
    boolean allocated =
        options.preallocation() == Preallocation.FALLOC
            || options.preallocation() == Preallocation.FULL;
    return new Measure(all - size + (allocated ? size : data), all);
  }

  /** Bytes of refcount table and blocks for that many other clusters. */
  private static long refcounts(long clusters, CreateOptions options) {
    long cluster = options.clusterSize();
    long perBlock = cluster * 8 / options.refcountBits();
    long blocks = 0;
    long tables = 0;
    while (true) {
      long neededBlocks = (clusters + tables + blocks + perBlock - 1) / perBlock;
      long neededTables = (neededBlocks + cluster / 8 - 1) / (cluster / 8);
      if (neededBlocks == blocks && neededTables == tables) {
        return (blocks + tables) * cluster;
      }
      blocks = neededBlocks;
      tables = neededTables;
    }
  }

  /** Bytes that copies of an image's persistent bitmaps take. */
  public static long bitmaps(Qcow2Info source, long size, long cluster) {
    long bytes = 0;
    long directory = 0;
    for (Qcow2Info.BitmapInfo bitmap : source.bitmaps()) {
      long bits = (size + bitmap.granularity() - 1) / bitmap.granularity();
      long clusters = ((bits + 7) / 8 + cluster - 1) / cluster;
      bytes += clusters * cluster + (clusters * 8 + cluster - 1) / cluster * cluster;
      int name = bitmap.name().getBytes(java.nio.charset.StandardCharsets.UTF_8).length;
      directory += 24 + name + 7 & ~7L;
    }
    return bytes + (directory + cluster - 1) / cluster * cluster;
  }
}
