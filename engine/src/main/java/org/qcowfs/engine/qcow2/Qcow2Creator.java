package org.qcowfs.engine.qcow2;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.model.CreateOptions;
import org.qcowfs.engine.qcow2.format.FeatureNames;
import org.qcowfs.engine.qcow2.format.FormatLimits;
import org.qcowfs.engine.qcow2.format.Geometry;
import org.qcowfs.engine.qcow2.format.Header;
import org.qcowfs.engine.qcow2.format.HeaderExtension;
import org.qcowfs.engine.qcow2.format.IncompatibleFeature;
import org.qcowfs.engine.qcow2.refcount.RefcountWidth;

/**
 * Makes an empty qcow2 image.
 *
 * <pre>
 *   cluster 0: header   1: refcount table   then: refcount blocks   then: L1 table
 * </pre>
 *
 * The header is written last, after the rest is durable: a file cut short by a crash is no image.
 */
public final class Qcow2Creator {
  private final CreateOptions options;
  private final Geometry geometry;
  private final RefcountWidth width;
  private final long l1Clusters;
  private final long l1Entries;
  private final long tableClusters;
  private final long blocks;

  private Qcow2Creator(String path, CreateOptions options) throws ImageException {
    this.options = options;
    check(path);
    geometry =
        new Geometry(Long.numberOfTrailingZeros(options.clusterSize()), options.extendedL2());
    width = new RefcountWidth(Integer.numberOfTrailingZeros(options.refcountBits()));
    l1Entries = geometry.l1EntriesFor(options.size());
    if (l1Entries * 8 > FormatLimits.MAX_L1_BYTES) {
      throw invalid(
          path, "The image size is too large (" + options.size() + " bytes) for this cluster size");
    }
    l1Clusters = clusters(l1Entries * 8);
    long countsPerBlock = width.countsIn(options.clusterSize());
    long blockCount = 1;
    long tables = 1;
    while (true) {
      long used = 1 + tables + blockCount + l1Clusters;
      long needed = (used + countsPerBlock - 1) / countsPerBlock;
      long neededTables = clusters(needed * 8);
      if (needed <= blockCount && neededTables <= tables) {
        break;
      }
      blockCount = Math.max(blockCount, needed);
      tables = Math.max(tables, neededTables);
    }
    blocks = blockCount;
    tableClusters = tables;
  }

  /**
   * Writes an empty image into {@code file}, which is empty.
   *
   * @throws ImageException kind {@code UNSUPPORTED} for options that do not go together, before
   *     anything is written
   */
  public static void create(HostFile file, CreateOptions options) throws ImageException {
    new Qcow2Creator(file.path(), options).write(file);
  }

  /** Judges the options without a file. */
  public static void validate(String path, CreateOptions options) throws ImageException {
    var unused = new Qcow2Creator(path, options);
  }

  private void check(String path) throws ImageException {
    long cluster = options.clusterSize();
    if (Long.bitCount(cluster) != 1
        || cluster < 1L << FormatLimits.MIN_CLUSTER_BITS
        || cluster > 1L << FormatLimits.MAX_CLUSTER_BITS) {
      throw invalid(path, "Cluster size must be a power of two between 512 and 2048k");
    }
    if (options.version() != 2 && options.version() != 3) {
      throw invalid(path, "Version is " + options.version() + "; expected 2 or 3");
    }
    int bits = options.refcountBits();
    if (Integer.bitCount(bits) != 1 || bits < 1 || bits > 64) {
      throw invalid(path, "Refcount width must be a power of two and may not exceed 64 bits");
    }
    if (options.version() == 2
        && (bits != 16 || options.extendedL2() || options.lazyRefcounts() || options.zstd())) {
      throw invalid(
          path,
          "Different refcount widths than 16 bits, extended L2 entries, lazy refcounts and zstd"
              + " require compatibility level 1.1 or above");
    }
    if (options.extendedL2() && cluster < 1L << FormatLimits.MIN_EXTENDED_CLUSTER_BITS) {
      throw invalid(
          path,
          "Extended L2 entries are only supported with cluster sizes of at least 16384 bytes");
    }
    if (options.size() < 0 || options.size() > Long.MAX_VALUE - (1L << 21)) {
      throw invalid(path, "Image size " + options.size() + " is not supported");
    }
    String backing = options.backingName();
    if (backing != null
        && backing.getBytes(StandardCharsets.UTF_8).length > FormatLimits.MAX_BACKING_NAME_BYTES) {
      throw invalid(
          path,
          "Backing file name too long (expected at most "
              + FormatLimits.MAX_BACKING_NAME_BYTES
              + " bytes)");
    }
  }

  private static ImageException invalid(String path, String detail) {
    return new ImageException(ErrorKind.UNSUPPORTED, path, detail);
  }

  private long clusters(long bytes) {
    return bytes + geometry.clusterSize() - 1 >>> geometry.clusterBits();
  }

  private long hostOffset(long cluster) {
    return cluster << geometry.clusterBits();
  }

  private void write(HostFile file) throws ImageException {
    int clusterSize = (int) geometry.clusterSize();
    long used = 1 + tableClusters + blocks + l1Clusters;
    // The L1 table, all zero, is the file's last part and needs no writing.
    file.truncate(hostOffset(used));
    DataBuffer cluster = DataBuffer.allocate(clusterSize);
    for (long b = 0; b < blocks; b++) {
      cluster.zero(0, clusterSize);
      long first = b * width.countsIn(clusterSize);
      for (long i = 0; i < width.countsIn(clusterSize) && first + i < used; i++) {
        width.set(cluster.bytes(), (int) i, 1);
      }
      file.write(hostOffset(1 + tableClusters + b), cluster, 0, clusterSize);
    }
    for (long t = 0; t < tableClusters; t++) {
      cluster.zero(0, clusterSize);
      long perCluster = clusterSize / 8;
      for (long i = 0; i < perCluster && t * perCluster + i < blocks; i++) {
        cluster.bytes().putLong((int) i * 8, hostOffset(1 + tableClusters + t * perCluster + i));
      }
      file.write(hostOffset(1 + t), cluster, 0, clusterSize);
    }
    file.sync();
    cluster.zero(0, clusterSize);
    header(file.path(), cluster.bytes());
    file.write(0, cluster, 0, clusterSize);
    file.sync();
  }

  private void header(String path, ByteBuffer out) throws ImageException {
    boolean v3 = options.version() == 3;
    out.putInt(0, Header.MAGIC).putInt(4, options.version()).putInt(20, geometry.clusterBits());
    out.putLong(24, options.size()).putInt(36, (int) l1Entries);
    out.putLong(40, hostOffset(1 + tableClusters + blocks));
    out.putLong(48, hostOffset(1)).putInt(56, (int) tableClusters);
    int at = FormatLimits.V2_HEADER_BYTES;
    if (v3) {
      long incompatible =
          (options.extendedL2() ? IncompatibleFeature.EXTENDED_L2.mask() : 0)
              | (options.zstd() ? IncompatibleFeature.COMPRESSION_TYPE.mask() : 0);
      out.putLong(72, incompatible).putLong(80, options.lazyRefcounts() ? 1 : 0);
      out.putInt(96, width.order()).put(104, (byte) (options.zstd() ? 1 : 0));
      at = 112;
      out.putInt(100, at);
    }
    String format = options.backingFormat();
    if (options.backingName() != null && format != null) {
      at = extension(path, out, at, HeaderExtension.BACKING_FORMAT, utf8(format));
    }
    // The names are a courtesy; with the smallest clusters they give way to a long backing name.
    byte[] names = FeatureNames.table();
    byte[] backing = options.backingName() == null ? new byte[0] : utf8(options.backingName());
    if (v3 && at + 8 + names.length + 8 + backing.length <= out.capacity()) {
      at = extension(path, out, at, HeaderExtension.FEATURE_NAMES, names);
    }
    at += 8; // the END extension is all zero
    if (backing.length > 0) {
      if (at + backing.length > out.capacity()) {
        throw invalid(path, "Backing file name too long for this cluster size");
      }
      out.put(at, backing).putLong(8, at).putInt(16, backing.length);
    }
  }

  private static int extension(String path, ByteBuffer out, int at, int type, byte[] data)
      throws ImageException {
    if (at + 8 + data.length + 8 > out.capacity()) {
      throw invalid(path, "Header does not fit into a cluster of " + out.capacity() + " bytes");
    }
    out.putInt(at, type).putInt(at + 4, data.length).put(at + 8, data);
    return at + 8 + (data.length + 7 & ~7);
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
