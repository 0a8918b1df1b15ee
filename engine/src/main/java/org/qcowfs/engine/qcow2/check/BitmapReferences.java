package org.qcowfs.engine.qcow2.check;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.qcow2.format.FormatLimits;
import org.qcowfs.engine.qcow2.format.Geometry;
import org.qcowfs.engine.qcow2.format.Header;
import org.qcowfs.engine.qcow2.format.HeaderExtension;

/**
 * The bitmap directory as far as a check needs it: where each bitmap's table is.
 *
 * @param directoryOffset host offset of the directory
 * @param directoryBytes its length, 0 if the image has no bitmaps
 * @param tables the bitmap tables
 */
record BitmapReferences(long directoryOffset, long directoryBytes, List<Table> tables) {
  /** Bits of a bitmap table entry that must be 0. */
  static final long RESERVED = 0xff000000000001feL;

  private static final int FIXED_BYTES = 24;
  private static final int MAX_NAME_BYTES = 1023;
  private static final long MAX_TABLE_ENTRIES = 0x8000000;
  private static final long MAX_BITMAP_BYTES = 0x20000000;

  /** A bitmap table of {@code entries} words of 8 bytes. */
  record Table(long hostOffset, long entries) {}

  /**
   * Reads the directory that the header's bitmaps extension names.
   *
   * @throws ImageException kind {@code CORRUPT} if QEMU would not open the image with it
   */
  static BitmapReferences read(CheckedFile file, Header header, Geometry geometry)
      throws ImageException {
    byte[] extension = header.extension(HeaderExtension.BITMAPS);
    if (extension == null || !header.bitmapsConsistent()) {
      return new BitmapReferences(0, 0, List.of());
    }
    String path = file.file().path();
    ByteBuffer in = ByteBuffer.wrap(extension);
    String fault = extensionFault(extension, geometry);
    if (fault != null) {
      throw ImageException.corrupt(path, "bitmaps_ext: " + fault);
    }
    long count = Integer.toUnsignedLong(in.getInt(0));
    long bytes = in.getLong(8);
    long offset = in.getLong(16);
    List<Table> tables = new ArrayList<>();
    DataBuffer entry = DataBuffer.allocate(FIXED_BYTES + MAX_NAME_BYTES, 8);
    long at = 0;
    while (at < bytes) {
      if (tables.size() == count) {
        throw ImageException.corrupt(path, "More bitmaps found than specified in header extension");
      }
      file.read(offset + at, entry, FIXED_BYTES);
      long tableOffset = entry.bytes().getLong(0);
      long entries = Integer.toUnsignedLong(entry.bytes().getInt(8));
      int nameLength = Short.toUnsignedInt(entry.bytes().getShort(18));
      long extra = Integer.toUnsignedLong(entry.bytes().getInt(20));
      long entryBytes = FIXED_BYTES + extra + nameLength + 7 & ~7L;
      if (bytes - at < FIXED_BYTES || entryBytes > bytes - at) {
        throw ImageException.corrupt(path, "Broken bitmap directory");
      }
      if (extra != 0) {
        throw ImageException.corrupt(path, "Bitmap extra data is not supported");
      }
      if (!plausible(entry.bytes(), tableOffset, entries, nameLength, header, geometry)) {
        file.read(offset + at + FIXED_BYTES, entry, Math.min(nameLength, MAX_NAME_BYTES));
        byte[] name = new byte[Math.min(nameLength, MAX_NAME_BYTES)];
        entry.bytes().get(0, name);
        throw ImageException.corrupt(
            path,
            "Bitmap '"
                + Escape.text(new String(name, StandardCharsets.UTF_8))
                + "' doesn't satisfy the constraints");
      }
      if ((entry.bytes().getInt(12) & 1) == 0
          && entries != entriesFor(header, geometry, entry.bytes().get(17))) {
        throw ImageException.corrupt(
            path,
            String.format(
                "Could not read the bitmap at directory entry %d: its table has %d entries",
                tables.size(), entries));
      }
      tables.add(new Table(tableOffset, entries));
      at += entryBytes;
    }
    if (tables.size() != count) {
      throw ImageException.corrupt(path, "Less bitmaps found than specified in header extension");
    }
    return new BitmapReferences(offset, bytes, tables);
  }

  private static @Nullable String extensionFault(byte[] extension, Geometry geometry) {
    if (extension.length != 24) {
      return "Invalid extension length";
    }
    ByteBuffer in = ByteBuffer.wrap(extension);
    long count = Integer.toUnsignedLong(in.getInt(0));
    long bytes = in.getLong(8);
    long offset = in.getLong(16);
    if (in.getInt(4) != 0) {
      return "Reserved field is not zero";
    }
    if (count > FormatLimits.MAX_BITMAPS) {
      return "Image has "
          + count
          + " bitmaps, exceeding the QEMU supported maximum of "
          + FormatLimits.MAX_BITMAPS;
    }
    if (count == 0) {
      return "found bitmaps extension with zero bitmaps";
    }
    if (offset < 0 || geometry.inCluster(offset) != 0 || offset > Long.MAX_VALUE - (1L << 40)) {
      return "invalid bitmap directory offset";
    }
    if (bytes <= 0 || bytes > FormatLimits.MAX_BITMAP_DIRECTORY_BYTES) {
      return "bitmap directory size ("
          + Long.toUnsignedString(bytes)
          + ") exceeds the maximum supported size ("
          + FormatLimits.MAX_BITMAP_DIRECTORY_BYTES
          + ")";
    }
    return null;
  }

  /** Entries of the table of a bitmap over the disk; bits are stored in words of 64. */
  private static long entriesFor(Header header, Geometry geometry, int granularityBits) {
    long bits = (header.size() >>> granularityBits) + 1;
    if ((header.size() & (1L << granularityBits) - 1) == 0) {
      bits--;
    }
    long bytes = (bits + 63 >>> 6) * 8;
    return bytes + geometry.clusterSize() - 1 >>> geometry.clusterBits();
  }

  private static boolean plausible(
      ByteBuffer entry,
      long tableOffset,
      long entries,
      int nameLength,
      Header header,
      Geometry geometry) {
    int flags = entry.getInt(12);
    int granularityBits = Byte.toUnsignedInt(entry.get(17));
    long bitmapBytes = entries << geometry.clusterBits();
    boolean inUse = (flags & 1) != 0;
    return entries != 0
        && tableOffset != 0
        && geometry.inCluster(tableOffset) == 0
        && entries <= MAX_TABLE_ENTRIES
        && granularityBits >= 9
        && granularityBits <= 31
        && (flags & ~7) == 0
        && nameLength != 0
        && nameLength <= MAX_NAME_BYTES
        && entry.get(16) == 1
        && bitmapBytes <= MAX_BITMAP_BYTES
        && (inUse || header.size() <= bitmapBytes * 8 << granularityBits);
  }
}
