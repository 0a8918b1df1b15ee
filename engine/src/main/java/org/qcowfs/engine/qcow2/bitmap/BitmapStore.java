package org.qcowfs.engine.qcow2.bitmap;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.format.FormatLimits;
import org.qcowfs.engine.qcow2.format.Geometry;
import org.qcowfs.engine.qcow2.format.Header;
import org.qcowfs.engine.qcow2.format.HeaderExtension;

/** The bitmap directory as bytes, to change it: read strictly, or not at all. */
public final class BitmapStore {
  private static final int FIXED_BYTES = 24;
  private static final int MAX_NAME_BYTES = 1023;

  /** QEMU's BME_MAX_PHYS_SIZE: the bits of one bitmap. */
  private static final long MAX_BITMAP_BYTES = 512L << 20;

  private BitmapStore() {}

  /** Takes a host range. */
  @FunctionalInterface
  public interface Ranges {
    void accept(long hostOffset, long bytes) throws ImageException;
  }

  /**
   * Reads the directory; no bitmaps without the header's extension.
   *
   * @return the bitmaps in order; all in use where the header does not vouch for them
   * @throws ImageException kind {@code CORRUPT} for a directory that cannot be changed safely
   */
  public static List<StoredBitmap> read(HostFile file, Header header) throws ImageException {
    byte[] extension = header.extension(HeaderExtension.BITMAPS);
    List<StoredBitmap> bitmaps = new ArrayList<>();
    if (extension == null) {
      return bitmaps;
    }
    if (extension.length != 24) {
      throw corrupt(file, "bitmaps extension is " + extension.length + " bytes, expected 24");
    }
    ByteBuffer in = ByteBuffer.wrap(extension);
    long count = Integer.toUnsignedLong(in.getInt(0));
    long bytes = in.getLong(8);
    long offset = in.getLong(16);
    if (count > FormatLimits.MAX_BITMAPS
        || bytes < 0
        || bytes > FormatLimits.MAX_BITMAP_DIRECTORY_BYTES
        || offset < header.clusterSize()
        || (offset & header.clusterSize() - 1) != 0
        || bytes > file.length() - offset) {
      throw corrupt(
          file,
          String.format(
              "bitmap directory of %d bitmaps, %d bytes at host offset 0x%x is not inside the file",
              count, bytes, offset));
    }
    long at = 0;
    DataBuffer fixed = DataBuffer.allocate(FIXED_BYTES + MAX_NAME_BYTES, 8);
    for (int i = 0; i < count; i++) {
      if (bytes - at < FIXED_BYTES || file.read(offset + at, fixed, 0, FIXED_BYTES) < FIXED_BYTES) {
        throw corrupt(file, "bitmap directory entry " + i + " reaches past the directory's end");
      }
      int nameBytes = Short.toUnsignedInt(fixed.bytes().getShort(18));
      long extra = Integer.toUnsignedLong(fixed.bytes().getInt(20));
      long length = FIXED_BYTES + extra + nameBytes + 7 & ~7L;
      String wrong = fault(file, header, fixed.bytes(), nameBytes, extra, length, bytes - at);
      if (wrong != null) {
        throw corrupt(file, "bitmap directory entry " + i + " " + wrong);
      }
      long table = fixed.bytes().getLong(0);
      long entries = Integer.toUnsignedLong(fixed.bytes().getInt(8));
      int flags = fixed.bytes().getInt(12) | (header.bitmapsConsistent() ? 0 : StoredBitmap.IN_USE);
      int granularityBits = Byte.toUnsignedInt(fixed.bytes().get(17));
      byte[] name = new byte[nameBytes];
      file.read(offset + at + FIXED_BYTES, fixed, 0, nameBytes);
      fixed.bytes().get(0, name);
      bitmaps.add(new StoredBitmap(table, entries, flags, granularityBits, name));
      at += length;
    }
    return bitmaps;
  }

  private static @Nullable String fault(
      HostFile file,
      Header header,
      ByteBuffer entry,
      int nameBytes,
      long extra,
      long length,
      long left)
      throws ImageException {
    long table = entry.getLong(0);
    long entries = Integer.toUnsignedLong(entry.getInt(8));
    int granularityBits = Byte.toUnsignedInt(entry.get(17));
    if (length > left || extra != 0) {
      return "has " + extra + " bytes of extra data, and " + left + " bytes of directory are left";
    }
    if (nameBytes == 0
        || nameBytes > MAX_NAME_BYTES
        || granularityBits < 9
        || granularityBits > 31) {
      return "has granularity 2^" + granularityBits + " and a name of " + nameBytes + " bytes";
    }
    if (entry.get(16) != 1 || (entry.getInt(12) & ~3) != 0) {
      return "is of type " + entry.get(16) + " with flags " + entry.getInt(12);
    }
    if (entries * header.clusterSize() > MAX_BITMAP_BYTES
        || table < header.clusterSize()
        || (table & header.clusterSize() - 1) != 0
        || entries * 8 > file.length() - table) {
      return String.format("names a table of %d entries at 0x%x", entries, table);
    }
    return null;
  }

  private static ImageException corrupt(HostFile file, String detail) {
    return ImageException.corrupt(file.path(), Escape.text(detail) + "; repair the image first");
  }

  /** Reads the table of a bitmap: for each cluster of bits 0, 1 (all set), or its host offset. */
  public static long[] table(HostFile file, StoredBitmap bitmap) throws ImageException {
    long[] words = new long[(int) bitmap.tableEntries()];
    DataBuffer buffer = DataBuffer.allocate(1 << 12, 8);
    for (int done = 0; done < words.length; ) {
      int n = Math.min(512, words.length - done);
      file.read(bitmap.tableOffset() + done * 8L, buffer, 0, n * 8);
      for (int i = 0; i < n; i++) {
        words[done + i] = buffer.bytes().getLong(i * 8);
      }
      done += n;
    }
    return words;
  }

  /** The directory, every bitmap's table and its bits. */
  public static void forEachTable(HostFile file, Header header, Ranges to) throws ImageException {
    byte[] extension = header.extension(HeaderExtension.BITMAPS);
    if (extension == null) {
      return;
    }
    List<StoredBitmap> bitmaps = read(file, header);
    ByteBuffer in = ByteBuffer.wrap(extension);
    if (in.getLong(8) > 0) {
      to.accept(in.getLong(16), in.getLong(8));
    }
    for (StoredBitmap bitmap : bitmaps) {
      forEach(file, bitmap, header.clusterSize(), to);
    }
  }

  /** A bitmap's table and its bits. */
  public static void forEach(HostFile file, StoredBitmap bitmap, long clusterSize, Ranges to)
      throws ImageException {
    for (long word : table(file, bitmap)) {
      if ((word & Geometry.OFFSET_MASK) != 0) {
        to.accept(word & Geometry.OFFSET_MASK, clusterSize);
      }
    }
    if (bitmap.tableEntries() > 0) {
      to.accept(bitmap.tableOffset(), bitmap.tableEntries() * 8);
    }
  }

  /** The directory that lists {@code bitmaps}. */
  public static byte[] directory(List<StoredBitmap> bitmaps) {
    int bytes = 0;
    for (StoredBitmap bitmap : bitmaps) {
      bytes += FIXED_BYTES + bitmap.name().length + 7 & ~7;
    }
    ByteBuffer out = ByteBuffer.allocate(bytes);
    int at = 0;
    for (StoredBitmap bitmap : bitmaps) {
      out.putLong(at, bitmap.tableOffset()).putInt(at + 8, (int) bitmap.tableEntries());
      out.putInt(at + 12, bitmap.flags()).put(at + 16, (byte) 1);
      out.put(at + 17, (byte) bitmap.granularityBits());
      out.putShort(at + 18, (short) bitmap.name().length);
      out.put(at + FIXED_BYTES, bitmap.name());
      at += FIXED_BYTES + bitmap.name().length + 7 & ~7;
    }
    return out.array();
  }

  /** The header extension for a directory. */
  public static byte[] extension(int count, long directoryBytes, long directoryOffset) {
    return ByteBuffer.allocate(24)
        .putInt(0, count)
        .putLong(8, directoryBytes)
        .putLong(16, directoryOffset)
        .array();
  }
}
