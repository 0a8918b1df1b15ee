package org.qcowfs.engine.qcow2.bitmap;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.model.Qcow2Info.BitmapInfo;
import org.qcowfs.engine.qcow2.format.FormatLimits;
import org.qcowfs.engine.qcow2.format.Header;
import org.qcowfs.engine.qcow2.format.HeaderExtension;

/**
 * The bitmap directory (spec: "Bitmaps").
 *
 * <pre>
 *   extension   0 bitmaps u32   4 reserved u32   8 directory bytes u64   16 directory offset u64
 *   entry       0 table offset u64   8 table entries u32   12 flags u32 (0 in use, 1 auto)
 *               16 type u8   17 granularity bits u8   18 name length u16   20 extra length u32
 *               24 extra data, name, padding to 8 bytes
 * </pre>
 *
 * @param bitmaps what could be read, in directory order
 * @param fault why reading stopped early, or null
 */
public record BitmapDirectory(List<BitmapInfo> bitmaps, @Nullable String fault) {
  private static final int FIXED_BYTES = 24;

  /** QEMU's BME_MAX_NAME_SIZE. */
  private static final int MAX_NAME_BYTES = 1023;

  /** Text kept of all names together; a directory full of long names must not fill memory. */
  private static final long MAX_TEXT_BYTES = 8L << 20;

  /** Reads the directory the header's bitmaps extension names; none without that extension. */
  public static BitmapDirectory read(HostFile file, Header header) throws ImageException {
    List<BitmapInfo> bitmaps = new ArrayList<>();
    byte[] extension = header.extension(HeaderExtension.BITMAPS);
    if (extension == null) {
      return new BitmapDirectory(bitmaps, null);
    }
    if (extension.length != 24) {
      return failed("bitmaps extension is " + extension.length + " bytes, expected 24");
    }
    ByteBuffer in = ByteBuffer.wrap(extension);
    long count = Integer.toUnsignedLong(in.getInt(0));
    long bytes = in.getLong(8);
    long offset = in.getLong(16);
    if (count == 0) {
      return failed("found bitmaps extension with zero bitmaps");
    }
    if (count > FormatLimits.MAX_BITMAPS) {
      return failed(
          "bitmaps extension names "
              + count
              + " bitmaps, expected at most "
              + FormatLimits.MAX_BITMAPS);
    }
    if (bytes < 0 || bytes > FormatLimits.MAX_BITMAP_DIRECTORY_BYTES) {
      return failed(
          "bitmap directory is "
              + Long.toUnsignedString(bytes)
              + " bytes, expected at most "
              + FormatLimits.MAX_BITMAP_DIRECTORY_BYTES);
    }
    if (offset < 0 || bytes > file.length() - offset) {
      return failed(
          String.format(
              "bitmap directory at host offset 0x%x (%d bytes) reaches past the end of the file",
              offset, bytes));
    }
    // In use unless the header vouches for the whole extension (autoclear bit 0).
    boolean vouched = header.bitmapsConsistent();
    DataBuffer buffer = DataBuffer.allocate(FIXED_BYTES + MAX_NAME_BYTES, 8);
    long at = 0;
    long text = 0;
    for (int i = 0; i < count; i++) {
      if (bytes - at < FIXED_BYTES
          || file.read(offset + at, buffer, 0, FIXED_BYTES) < FIXED_BYTES) {
        return new BitmapDirectory(bitmaps, entryFault(i, "reaches past the directory's end"));
      }
      int flags = buffer.bytes().getInt(12);
      int granularityBits = Byte.toUnsignedInt(buffer.bytes().get(17));
      int nameLength = Short.toUnsignedInt(buffer.bytes().getShort(18));
      long extraLength = Integer.toUnsignedLong(buffer.bytes().getInt(20));
      long entryBytes = FIXED_BYTES + extraLength + nameLength + 7 & ~7L;
      if (entryBytes > bytes - at) {
        return new BitmapDirectory(bitmaps, entryFault(i, "reaches past the directory's end"));
      }
      if (nameLength > MAX_NAME_BYTES || granularityBits < 9 || granularityBits > 31) {
        return new BitmapDirectory(
            bitmaps,
            entryFault(
                i,
                "has granularity 2^"
                    + granularityBits
                    + " and a name of "
                    + nameLength
                    + " bytes, expected 2^9 to 2^31 and at most "
                    + MAX_NAME_BYTES));
      }
      if ((flags & ~(StoredBitmap.IN_USE | StoredBitmap.AUTO)) != 0) {
        return new BitmapDirectory(
            bitmaps,
            entryFault(
                i,
                "has flags 0x"
                    + Integer.toHexString(flags)
                    + ", expected none but in use (0x1) and auto (0x2)"));
      }
      text += nameLength;
      if (text > MAX_TEXT_BYTES) {
        return new BitmapDirectory(
            bitmaps, entryFault(i, "brings names to more than " + MAX_TEXT_BYTES + " bytes"));
      }
      int got = file.read(offset + at + FIXED_BYTES + extraLength, buffer, 0, nameLength);
      byte[] name = new byte[got];
      buffer.bytes().get(0, name);
      bitmaps.add(
          new BitmapInfo(
              new String(name, StandardCharsets.UTF_8),
              1L << granularityBits,
              !vouched || (flags & StoredBitmap.IN_USE) != 0,
              (flags & StoredBitmap.AUTO) != 0));
      at += entryBytes;
    }
    return new BitmapDirectory(List.copyOf(bitmaps), null);
  }

  private static BitmapDirectory failed(String fault) {
    return new BitmapDirectory(List.of(), fault);
  }

  private static String entryFault(int index, String wrong) {
    return "bitmap directory entry " + index + " " + wrong;
  }
}
