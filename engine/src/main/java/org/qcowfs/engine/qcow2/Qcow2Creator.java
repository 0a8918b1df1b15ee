package org.qcowfs.engine.qcow2;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.Reservation;
import org.qcowfs.engine.model.CreateOptions;
import org.qcowfs.engine.model.Preallocation;
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
 *   if preallocated, then: L2 tables   then: guest clusters (not with an external data file)
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

  /** Clusters of L2 tables and of guest data, 0 each but for a preallocated image. */
  private final long l2Clusters;

  private final long dataClusters;
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
      throw tooLarge(path);
    }
    l1Clusters = clusters(l1Entries * 8);
    l2Clusters = isMapped() ? l1Entries : 0;
    dataClusters = isMapped() && options.dataFile() == null ? clusters(options.size()) : 0;
    long countsPerBlock = width.countsIn(options.clusterSize());
    long blockCount = 1;
    long tables = 1;
    while (true) {
      long used = 1 + tables + blockCount + l1Clusters + l2Clusters + dataClusters;
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
    if (hostOffset(tables) > FormatLimits.MAX_REFCOUNT_TABLE_BYTES) {
      throw tooLarge(path);
    }
  }

  /**
   * Whether the L2 tables name a cluster for every guest cluster: asked for, or because readers of
   * a raw data file must not see zeroes of ours where the file has something else.
   */
  private boolean isMapped() {
    return options.preallocation() != Preallocation.OFF || options.dataFileRaw();
  }

  private static ImageException tooLarge(String path) {
    return invalid(
        path,
        "The image size is too large for file format 'qcow2' (try using a larger cluster size)");
  }

  /**
   * Writes an empty image into {@code file}, which is empty.
   *
   * @param dataFile the external data file, empty and open for writing, or null for none
   * @throws ImageException kind {@code UNSUPPORTED} for options that do not go together, before
   *     anything is written
   */
  public static void create(HostFile file, @Nullable HostFile dataFile, CreateOptions options)
      throws ImageException {
    Qcow2Creator creator = new Qcow2Creator(file.path(), options);
    creator.reserve(file, dataFile);
    creator.write(file);
  }

  /** Judges the options without a file. */
  public static void validate(String path, CreateOptions options) throws ImageException {
    var unused = new Qcow2Creator(path, options);
  }

  /** Judges cluster size, version and width of the refcounts, each for itself. */
  public static void checkGeometry(String path, CreateOptions options) throws ImageException {
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
  }

  private void check(String path) throws ImageException {
    checkGeometry(path, options);
    if (options.version() == 2) {
      checkVersion2(path);
    }
    if (options.extendedL2()
        && options.clusterSize() < 1L << FormatLimits.MIN_EXTENDED_CLUSTER_BITS) {
      throw invalid(
          path,
          "Extended L2 entries are only supported with cluster sizes of at least 16384 bytes");
    }
    if (options.size() < 0 || options.size() > Long.MAX_VALUE - (1L << 21)) {
      throw tooLarge(path);
    }
    if (options.dataFileRaw() && options.dataFile() == null) {
      throw invalid(path, "data-file-raw requires data-file");
    }
    if (options.dataFile() != null && options.backingName() != null) {
      if (options.dataFileRaw()) {
        throw invalid(path, "Backing file and data-file-raw cannot be used at the same time");
      }
    }
    if (options.backingFormat() != null && options.backingName() == null) {
      throw invalid(path, "Backing format cannot be used without backing file");
    }
    if (options.backingName() != null
        && options.preallocation() != Preallocation.OFF
        && !options.extendedL2()) {
      throw invalid(
          path,
          "Backing file and preallocation can only be used at the same time if extended_l2 is on");
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

  private void checkVersion2(String path) throws ImageException {
    String below = " (use version=v3 or greater)";
    if (options.refcountBits() != 16) {
      throw invalid(
          path,
          "Different refcount widths than 16 bits require compatibility level 1.1 or above"
              + below);
    }
    if (options.lazyRefcounts()) {
      throw invalid(
          path, "Lazy refcounts only supported with compatibility level 1.1 and above" + below);
    }
    if (options.dataFile() != null) {
      throw invalid(
          path,
          "External data files are only supported with compatibility level 1.1 and above" + below);
    }
    if (options.extendedL2()) {
      throw invalid(
          path,
          "Extended L2 entries are only supported with compatibility level 1.1 and above" + below);
    }
    if (options.zstd()) {
      throw invalid(
          path,
          "Non-zlib compression type is only supported with compatibility level 1.1 and above"
              + below);
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

  private long used() {
    return 1 + tableClusters + blocks + l1Clusters + l2Clusters + dataClusters;
  }

  /** Host offset of the L1 table. */
  private long l1Offset() {
    return hostOffset(1 + tableClusters + blocks);
  }

  /**
   * Makes the files as long as they are to be, and gives the guest data the blocks it is to have.
   */
  private void reserve(HostFile file, @Nullable HostFile dataFile) throws ImageException {
    refuseSmallDevice(file, hostOffset(used()));
    if (dataFile != null) {
      refuseSmallDevice(dataFile, options.size());
    }
    if (file.resizable()) {
      file.truncate(isMapped() ? hostOffset(used()) : l1Offset() + l1Entries * 8);
    } else {
      file.zeroRange(0, hostOffset(used())); // a device has what it had
    }
    HostFile data = dataFile == null ? file : dataFile;
    long start = dataFile == null ? hostOffset(used() - dataClusters) : 0;
    long length = dataFile == null ? hostOffset(dataClusters) : options.size();
    if (dataFile != null && dataFile.resizable()) {
      Reservation.extendEmpty(dataFile, length);
    }
    if (isMapped() && length > 0) {
      Reservation.make(data, start, length, options.preallocation());
    }
  }

  private static void refuseSmallDevice(HostFile file, long bytes) throws ImageException {
    if (!file.resizable() && file.length() < bytes) {
      throw new ImageException(
          ErrorKind.NO_SPACE,
          file.path(),
          "Cannot grow device files: it has "
              + file.length()
              + " bytes, and the image needs "
              + bytes);
    }
  }

  private void write(HostFile file) throws ImageException {
    int clusterSize = (int) geometry.clusterSize();
    long used = used();
    if (isMapped()) {
      writeMapping(file);
    }
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

  /** L1 and L2 tables in which every guest cluster has a host cluster of its own. */
  private void writeMapping(HostFile file) throws ImageException {
    int clusterSize = (int) geometry.clusterSize();
    DataBuffer buffer = DataBuffer.allocate(clusterSize);
    ByteBuffer bytes = buffer.bytes();
    long firstL2 = l1Offset() + hostOffset(l1Clusters);
    for (long c = 0; c < l1Clusters; c++) {
      buffer.zero(0, clusterSize);
      long perCluster = clusterSize / 8;
      for (long i = 0; i < perCluster && c * perCluster + i < l1Entries; i++) {
        bytes.putLong((int) i * 8, firstL2 + hostOffset(c * perCluster + i) | Geometry.COPIED);
      }
      file.write(l1Offset() + hostOffset(c), buffer, 0, clusterSize);
    }
    long firstData = options.dataFile() == null ? firstL2 + hostOffset(l2Clusters) : 0;
    long guestClusters = clusters(options.size());
    long perTable = 1L << geometry.l2Bits();
    int entryBytes = 8 << geometry.l2EntryWordBits();
    for (long t = 0; t < l2Clusters; t++) {
      buffer.zero(0, clusterSize);
      for (long i = 0; i < perTable && t * perTable + i < guestClusters; i++) {
        long host = firstData + hostOffset(t * perTable + i);
        // With subclusters none of them is allocated yet: a backing file still shows through.
        bytes.putLong((int) i * entryBytes, host | Geometry.COPIED);
      }
      file.write(firstL2 + hostOffset(t), buffer, 0, clusterSize);
    }
  }

  private void header(String path, ByteBuffer out) throws ImageException {
    boolean v3 = options.version() == 3;
    out.putInt(0, Header.MAGIC).putInt(4, options.version()).putInt(20, geometry.clusterBits());
    out.putLong(24, options.size()).putInt(36, (int) l1Entries);
    out.putLong(40, l1Offset());
    out.putLong(48, hostOffset(1)).putInt(56, (int) tableClusters);
    int at = FormatLimits.V2_HEADER_BYTES;
    if (v3) {
      long incompatible =
          (options.extendedL2() ? IncompatibleFeature.EXTENDED_L2.mask() : 0)
              | (options.zstd() ? IncompatibleFeature.COMPRESSION_TYPE.mask() : 0)
              | (options.dataFile() != null ? IncompatibleFeature.EXTERNAL_DATA_FILE.mask() : 0);
      out.putLong(72, incompatible).putLong(80, options.lazyRefcounts() ? 1 : 0);
      out.putLong(88, options.dataFileRaw() ? 2 : 0);
      out.putInt(96, width.order()).put(104, (byte) (options.zstd() ? 1 : 0));
      at = 112;
      out.putInt(100, at);
    }
    String format = options.backingFormat();
    if (options.backingName() != null && format != null) {
      at = extension(path, out, at, HeaderExtension.BACKING_FORMAT, utf8(format));
    }
    String dataFile = options.dataFile();
    if (dataFile != null) {
      at = extension(path, out, at, HeaderExtension.DATA_FILE, utf8(dataFile));
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
