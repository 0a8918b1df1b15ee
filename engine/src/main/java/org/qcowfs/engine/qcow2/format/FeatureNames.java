package org.qcowfs.engine.qcow2.format;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.qcowfs.engine.error.Escape;

/**
 * The feature-name table (spec: "Feature name table"): entries of 48 bytes, type u8 (0
 * incompatible), bit u8, name of 46 bytes padded with zeroes.
 */
final class FeatureNames {
  private static final int ENTRY_BYTES = 48;

  private FeatureNames() {}

  /** Names the incompatible bits of {@code mask}, as the image's own table has them, escaped. */
  static String describe(Header header, long mask) {
    byte[] table = header.extension(HeaderExtension.FEATURE_NAMES);
    List<String> names = new ArrayList<>();
    long unnamed = mask;
    for (int at = 0; table != null && at + ENTRY_BYTES <= table.length; at += ENTRY_BYTES) {
      int bit = Byte.toUnsignedInt(table[at + 1]);
      if (table[at] == 0 && bit < 64 && (unnamed & 1L << bit) != 0) {
        int end = at + 2;
        while (end < at + ENTRY_BYTES && table[end] != 0) {
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
