package org.qcowfs.engine.qcow2.format;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.qcowfs.engine.error.Escape;

/**
 * The feature-name table (spec: "Feature name table"): entries of 48 bytes, type u8 (0
 * incompatible), bit u8, name of 46 bytes padded with zeroes.
 */
public final class FeatureNames {
  private static final int ENTRY_BYTES = 48;

  /** Type, bit and name of each feature, for programs that do not know it. */
  private static final Object[][] NAMES = {
    {0, 0, "dirty bit"},
    {0, 1, "corrupt bit"},
    {0, 2, "external data file"},
    {0, 3, "compression type"},
    {0, 4, "extended L2 entries"},
    {1, 0, "lazy refcounts"},
    {2, 0, "bitmaps"},
    {2, 1, "raw external data"},
  };

  private FeatureNames() {}

  /** The table that this program puts into a version 3 header. */
  public static byte[] table() {
    ByteBuffer out = ByteBuffer.allocate(NAMES.length * ENTRY_BYTES);
    for (int i = 0; i < NAMES.length; i++) {
      out.put(i * ENTRY_BYTES, (byte) (int) NAMES[i][0]);
      out.put(i * ENTRY_BYTES + 1, (byte) (int) NAMES[i][1]);
      out.put(i * ENTRY_BYTES + 2, ((String) NAMES[i][2]).getBytes(StandardCharsets.UTF_8));
    }
    return out.array();
  }

  /** Names the incompatible bits of {@code mask}, as the image's own table has them, escaped. */
  static String describe(Header header, long mask) {
    byte[] table = header.extension(HeaderExtension.FEATURE_NAMES);
    List<String> names = new ArrayList<>();
    long unnamed = mask;
    // As for QEMU, what a short last entry lacks is zero.
    for (int at = 0; table != null && at + 1 < table.length; at += ENTRY_BYTES) {
      int bit = Byte.toUnsignedInt(table[at + 1]);
      if (table[at] == 0 && bit < 64 && (unnamed & 1L << bit) != 0) {
        int end = at + 2;
        while (end < Math.min(at + ENTRY_BYTES, table.length) && table[end] != 0) {
          end++;
        }
        names.add(Escape.text(new String(table, at + 2, end - at - 2, StandardCharsets.UTF_8)));
        unnamed &= ~(1L << bit);
      }
    }
    if (unnamed != 0) {
      names.add("Unknown incompatible feature: " + Long.toHexString(unnamed));
    }
    return String.join(", ", names);
  }
}
