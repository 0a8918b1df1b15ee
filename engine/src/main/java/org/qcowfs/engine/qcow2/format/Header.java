package org.qcowfs.engine.qcow2.format;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The qcow2 header as recorded (spec: "Header"). All fields are big-endian on disk; unsigned 32-bit
 * fields that may not fit an {@code int} are {@code long}.
 *
 * @param version bytes 4-7: 2 or 3
 * @param backingNameOffset bytes 8-15: offset of the backing file name in the first cluster, 0 for
 *     none
 * @param backingNameLength bytes 16-19: its length in bytes, at most 1023
 * @param clusterBits bytes 20-23: log2 of the cluster size, 9 to 21
 * @param size bytes 24-31: virtual disk size in bytes (unsigned)
 * @param cryptMethod bytes 32-35: 0 none, 1 AES, 2 LUKS
 * @param l1Entries bytes 36-39: entries in the active L1 table
 * @param l1Offset bytes 40-47: host offset of the active L1 table, cluster-aligned
 * @param refcountTableOffset bytes 48-55: host offset of the refcount table, cluster-aligned
 * @param refcountTableClusters bytes 56-59: clusters the refcount table occupies
 * @param snapshotCount bytes 60-63
 * @param snapshotTableOffset bytes 64-71: host offset of the snapshot table, cluster-aligned
 * @param incompatible bytes 72-79 (version 3): features a reader must know
 * @param compatible bytes 80-87 (version 3): features that may be ignored
 * @param autoclear bytes 88-95 (version 3): features a writer that does not know them must clear
 * @param refcountOrder bytes 96-99 (version 3): log2 of the refcount width in bits; 4 in version 2
 * @param headerLength bytes 100-103 (version 3): header size in bytes; 72 in version 2
 * @param compressionType byte 104 (if the header is longer than 104): 0 zlib, 1 zstd
 * @param extensions the header extensions in file order, unknown ones included
 * @param extensionFault what is wrong with the extension area, or null
 * @param backingName the backing file name, or null for none
 */
public record Header(
    int version,
    long backingNameOffset,
    long backingNameLength,
    int clusterBits,
    long size,
    long cryptMethod,
    long l1Entries,
    long l1Offset,
    long refcountTableOffset,
    long refcountTableClusters,
    long snapshotCount,
    long snapshotTableOffset,
    long incompatible,
    long compatible,
    long autoclear,
    int refcountOrder,
    long headerLength,
    int compressionType,
    List<HeaderExtension> extensions,
    @Nullable String extensionFault,
    @Nullable String backingName) {

  /** Bytes 0-3: "QFI" and 0xfb. */
  public static final int MAGIC = 0x514649fb;

  public boolean has(IncompatibleFeature feature) {
    return (incompatible & feature.mask()) != 0;
  }

  public boolean lazyRefcounts() {
    return (compatible & 1) != 0;
  }

  /** Autoclear bit 0: the bitmaps extension is consistent with the disk. */
  public boolean bitmapsConsistent() {
    return (autoclear & 1) != 0;
  }

  /** Autoclear bit 1: the external data file is a valid raw image. */
  public boolean dataFileRaw() {
    return (autoclear & 2) != 0;
  }

  public long clusterSize() {
    return 1L << clusterBits;
  }

  /** The payload of an extension, of more than one of a type the last as for QEMU; or null. */
  public byte @Nullable [] extension(int type) {
    byte[] found = null;
    for (HeaderExtension extension : extensions) {
      if (extension.type() == type) {
        found = extension.data();
      }
    }
    return found;
  }

  /** As {@link #extension}, as text. */
  public @Nullable String extensionText(int type) {
    byte[] data = extension(type);
    return data == null ? null : new String(data, java.nio.charset.StandardCharsets.UTF_8);
  }

  /** This header with other tables, as a change of the snapshots leaves it. */
  public Header withTables(
      long newSize,
      long newL1Entries,
      long newL1Offset,
      long newRefcountTableOffset,
      long newRefcountTableClusters,
      long newSnapshotCount,
      long newSnapshotTableOffset) {
    return new Header(
        version,
        backingNameOffset,
        backingNameLength,
        clusterBits,
        newSize,
        cryptMethod,
        newL1Entries,
        newL1Offset,
        newRefcountTableOffset,
        newRefcountTableClusters,
        newSnapshotCount,
        newSnapshotTableOffset,
        incompatible,
        compatible,
        autoclear,
        refcountOrder,
        headerLength,
        compressionType,
        extensions,
        extensionFault,
        backingName);
  }
}
