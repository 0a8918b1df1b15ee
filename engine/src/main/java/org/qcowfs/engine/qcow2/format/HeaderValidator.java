package org.qcowfs.engine.qcow2.format;

import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;

/**
 * Every rule a header must keep before anything is read through it. Messages begin with QEMU's
 * words where QEMU has the rule too.
 */
public final class HeaderValidator {
  private final String file;
  private final long fileLength;
  private final Header header;
  private final boolean checking;

  private HeaderValidator(String file, long fileLength, Header header, boolean checking) {
    this.file = file;
    this.fileLength = fileLength;
    this.header = header;
    this.checking = checking;
  }

  /**
   * Checks {@code header}, decoded from a file of {@code fileLength} bytes.
   *
   * @throws ImageException kind {@code UNSUPPORTED} for what a newer program may have written,
   *     {@code CORRUPT} for what contradicts the specification
   */
  public static void validate(String file, long fileLength, Header header) throws ImageException {
    new HeaderValidator(file, fileLength, header, false).all();
  }

  /**
   * As {@link #validate}, but without the rules whose breach a check counts and reports itself:
   * tables outside the file, over each other or over the header, and a missing refcount table.
   */
  public static void validateForCheck(String file, Header header) throws ImageException {
    new HeaderValidator(file, Long.MAX_VALUE, header, true).all();
  }

  private void all() throws ImageException {
    version();
    clusterSize();
    headerLength();
    backingName();
    extensions();
    features();
    refcountWidth();
    encryption();
    compression();
    refcountTable();
    virtualSize();
    l1Table();
  }

  private void version() throws ImageException {
    if (header.version() < 2 || header.version() > 3) {
      throw unsupported(
          "Unsupported qcow2 version "
              + Integer.toUnsignedLong(header.version())
              + " (header, version at 0x4; expected 2 or 3)");
    }
  }

  private void clusterSize() throws ImageException {
    int bits = header.clusterBits();
    if (bits < FormatLimits.MIN_CLUSTER_BITS || bits > FormatLimits.MAX_CLUSTER_BITS) {
      throw corrupt(
          "Unsupported cluster size: 2^"
              + Integer.toUnsignedLong(bits)
              + " (header, cluster_bits at 0x14; expected 9 to 21)");
    }
  }

  private void headerLength() throws ImageException {
    long length = header.headerLength();
    if (header.version() == 3 && length < FormatLimits.V3_HEADER_BYTES) {
      throw corrupt(
          "qcow2 header too short (header_length at 0x64 is "
              + length
              + "; expected at least 104)");
    }
    if (length > header.clusterSize()) {
      throw corrupt(
          "qcow2 header exceeds cluster size (header_length at 0x64 is "
              + length
              + "; expected at most "
              + header.clusterSize()
              + ")");
    }
    if (length % 8 != 0 && !checking) {
      throw corrupt(
          "qcow2 header length invalid (header_length at 0x64 is "
              + length
              + "; expected a multiple of 8)");
    }
  }

  private void backingName() throws ImageException {
    long offset = header.backingNameOffset();
    long length = header.backingNameLength();
    if (offset == 0) {
      return; // QEMU ignores the length then
    }
    if (Long.compareUnsigned(offset, header.clusterSize()) > 0
        || !checking && offset < header.headerLength()) {
      throw corrupt(
          String.format(
              "Invalid backing file offset (backing_file_offset at 0x8 is 0x%x; expected 0x%x to"
                  + " 0x%x)",
              offset, header.headerLength(), header.clusterSize()));
    }
    long most = Math.min(FormatLimits.MAX_BACKING_NAME_BYTES, header.clusterSize() - offset);
    if (length > most) {
      throw corrupt(
          "Backing file name too long (backing_file_size at 0x10 is "
              + length
              + "; expected at most "
              + most
              + ")");
    }
    if (length > 0 && header.backingName() == null) {
      throw corrupt(
          String.format(
              "Could not read backing file name (at host offset 0x%x, past the end of the file)",
              offset));
    }
  }

  private void extensions() throws ImageException {
    String fault = header.extensionFault();
    if (fault != null) {
      throw corrupt(fault);
    }
  }

  private void features() throws ImageException {
    long unknown = header.incompatible() & ~IncompatibleFeature.knownMask();
    if (unknown != 0) {
      throw unsupported("Unsupported qcow2 feature(s): " + FeatureNames.describe(header, unknown));
    }
    if (header.has(IncompatibleFeature.EXTENDED_L2)
        && header.clusterBits() < FormatLimits.MIN_EXTENDED_CLUSTER_BITS) {
      throw corrupt(
          "Extended L2 entries need clusters of at least 16 KiB (header, cluster_bits at 0x14 is "
              + header.clusterBits()
              + ")");
    }
  }

  private void refcountWidth() throws ImageException {
    if (header.refcountOrder() < 0 || header.refcountOrder() > FormatLimits.MAX_REFCOUNT_ORDER) {
      throw corrupt(
          "Reference count entry width too large; may not exceed 64 bits (header, refcount_order at"
              + " 0x60 is "
              + Integer.toUnsignedLong(header.refcountOrder())
              + "; expected 0 to 6)");
    }
  }

  private void encryption() throws ImageException {
    if (header.cryptMethod() > 2) {
      throw unsupported(
          "Unsupported encryption method "
              + header.cryptMethod()
              + " (header, crypt_method at 0x20; expected 0 to 2)");
    }
  }

  private void compression() throws ImageException {
    int type = header.compressionType();
    if (type > 1) {
      throw unsupported(
          "qcow2: unknown compression type: " + type + " (header, at 0x68; expected 0 or 1)");
    }
    boolean bit = header.has(IncompatibleFeature.COMPRESSION_TYPE);
    if (type == 0 && bit) {
      throw corrupt(
          "qcow2: Compression type incompatible feature bit must not be set (type at 0x68 is 0,"
              + " zlib)");
    }
    if (type != 0 && !bit) {
      throw corrupt(
          "qcow2: Compression type incompatible feature bit must be set (type at 0x68 is "
              + type
              + ")");
    }
  }

  private void refcountTable() throws ImageException {
    long clusters = header.refcountTableClusters();
    long bytes = clusters << header.clusterBits();
    if (clusters == 0 && !checking) {
      throw corrupt(
          "Image does not contain a reference count table (header, refcount_table_clusters at 0x38"
              + " is 0)");
    }
    if (bytes > FormatLimits.MAX_REFCOUNT_TABLE_BYTES) {
      throw corrupt(
          "Reference count table too large (header, refcount_table_clusters at 0x38 is "
              + clusters
              + "; expected at most "
              + (FormatLimits.MAX_REFCOUNT_TABLE_BYTES >> header.clusterBits())
              + ")");
    }
    tableOffset(
        "Reference count table",
        "refcount_table_offset at 0x30",
        header.refcountTableOffset(),
        bytes);
  }

  private void virtualSize() throws ImageException {
    if (header.size() < 0 || header.size() > FormatLimits.MAX_DISK_BYTES) {
      throw corrupt(
          "Image is too big (header, size at 0x18 is "
              + Long.toUnsignedString(header.size())
              + ")");
    }
  }

  private void l1Table() throws ImageException {
    long entries = header.l1Entries();
    if (entries * 8 > FormatLimits.MAX_L1_BYTES) {
      throw corrupt(
          "Active L1 table too large (header, l1_size at 0x24 is "
              + entries
              + "; expected at most "
              + FormatLimits.MAX_L1_BYTES / 8
              + ")");
    }
    Geometry geometry = Geometry.of(header);
    long needed = geometry.l1EntriesFor(header.size());
    if (needed > Integer.MAX_VALUE) {
      throw corrupt("Image is too big");
    }
    if (entries < needed) {
      throw corrupt(
          "L1 table is too small (header, l1_size at 0x24 is "
              + entries
              + "; a disk of "
              + header.size()
              + " bytes needs "
              + needed
              + ")");
    }
    if (entries > 0) {
      tableOffset("Active L1 table", "l1_table_offset at 0x28", header.l1Offset(), entries * 8);
      long refcountTableBytes = header.refcountTableClusters() << header.clusterBits();
      long l1End = header.l1Offset() + entries * 8;
      if (!checking
          && header.l1Offset() < header.refcountTableOffset() + refcountTableBytes
          && header.refcountTableOffset() < l1End) {
        throw corrupt(
            String.format(
                "Active L1 table offset invalid (header, l1_table_offset at 0x28 is 0x%x, which"
                    + " overlaps the refcount table at 0x%x)",
                header.l1Offset(), header.refcountTableOffset()));
      }
    }
  }

  /** A table lies behind the first cluster, on a cluster boundary, and begins inside the file. */
  private void tableOffset(String table, String field, long offset, long bytes)
      throws ImageException {
    String wrong;
    if ((offset & header.clusterSize() - 1) != 0) {
      wrong = "expected a multiple of the cluster size " + header.clusterSize();
    } else if (offset < 0 || offset > Long.MAX_VALUE - bytes || offset >= fileLength) {
      wrong = "past the end of the file (" + fileLength + " bytes)";
    } else if (offset < header.clusterSize() && !checking) {
      wrong = "which overlaps the header";
    } else {
      return;
    }
    throw corrupt(
        String.format("%s offset invalid (header, %s is 0x%x, %s)", table, field, offset, wrong));
  }

  private ImageException corrupt(String detail) {
    return ImageException.corrupt(file, detail);
  }

  private ImageException unsupported(String detail) {
    return new ImageException(ErrorKind.UNSUPPORTED, file, detail);
  }
}
