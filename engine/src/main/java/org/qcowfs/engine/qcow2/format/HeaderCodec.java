package org.qcowfs.engine.qcow2.format;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Header bytes to {@link Header}; takes what it finds and judges nothing but bounds.
 *
 * <pre>
 *   first cluster --> fixed header (72 or headerLength bytes), extensions, END, backing file name
 *   extension     --> type u32, length u32, payload, padding to a multiple of 8
 * </pre>
 */
public final class HeaderCodec {
  private HeaderCodec() {}

  /**
   * Decodes the fixed part, and the extensions and backing name as far as {@code bytes} reaches.
   *
   * @param bytes the first bytes of the file, big-endian from index 0: at least 72, and the whole
   *     first cluster where the file has it
   */
  public static Header decode(ByteBuffer bytes) {
    ByteBuffer in = bytes.duplicate();
    int version = in.getInt(4);
    boolean v3 = version >= 3;
    int limit = in.limit();
    boolean full = v3 && limit >= FormatLimits.V3_HEADER_BYTES;
    long backingOffset = in.getLong(8);
    long backingLength = Integer.toUnsignedLong(in.getInt(16));
    int clusterBits = in.getInt(20);
    long headerLength =
        full ? Integer.toUnsignedLong(in.getInt(100)) : v3 ? 0 : FormatLimits.V2_HEADER_BYTES;
    List<HeaderExtension> extensions = new ArrayList<>();
    String fault = null;
    String backingName = null;
    if (clusterBits >= FormatLimits.MIN_CLUSTER_BITS
        && clusterBits <= FormatLimits.MAX_CLUSTER_BITS) {
      long firstCluster = Math.min(limit, 1L << clusterBits);
      long end = backingOffset > 0 && backingOffset <= firstCluster ? backingOffset : firstCluster;
      fault = decodeExtensions(in, headerLength, end, extensions);
      if (backingOffset > 0
          && backingLength > 0
          && backingLength <= FormatLimits.MAX_BACKING_NAME_BYTES
          && backingOffset <= firstCluster - backingLength) {
        byte[] name = new byte[(int) backingLength];
        in.get((int) backingOffset, name);
        backingName = new String(name, StandardCharsets.UTF_8);
      }
    }
    return new Header(
        version,
        backingOffset,
        backingLength,
        clusterBits,
        in.getLong(24),
        Integer.toUnsignedLong(in.getInt(32)),
        Integer.toUnsignedLong(in.getInt(36)),
        in.getLong(40),
        in.getLong(48),
        Integer.toUnsignedLong(in.getInt(56)),
        Integer.toUnsignedLong(in.getInt(60)),
        in.getLong(64),
        full ? in.getLong(72) : 0,
        full ? in.getLong(80) : 0,
        full ? in.getLong(88) : 0,
        full ? in.getInt(96) : 4,
        headerLength,
        full && headerLength > FormatLimits.V3_HEADER_BYTES && limit > 104
            ? Byte.toUnsignedInt(in.get(104))
            : 0,
        List.copyOf(extensions),
        fault,
        backingName);
  }

  private static @Nullable String decodeExtensions(
      ByteBuffer in, long start, long end, List<HeaderExtension> out) {
    long at = start;
    long kept = 0;
    while (at + 8 <= end) {
      int type = in.getInt((int) at);
      long length = Integer.toUnsignedLong(in.getInt((int) at + 4));
      if (type == HeaderExtension.END) {
        return null;
      }
      if (length > end - at - 8) {
        return String.format(
            "Header extension too large (type 0x%08x at host offset 0x%x has length %d, expected at"
                + " most %d)",
            type, at, length, end - at - 8);
      }
      kept += length;
      if (out.size() == FormatLimits.MAX_EXTENSIONS || kept > FormatLimits.MAX_EXTENSION_BYTES) {
        return String.format(
            "Too many header extensions (at host offset 0x%x; expected at most %d, of %d bytes"
                + " together)",
            at, FormatLimits.MAX_EXTENSIONS, FormatLimits.MAX_EXTENSION_BYTES);
      }
      byte[] data = new byte[(int) length];
      in.get((int) at + 8, data);
      out.add(new HeaderExtension(type, data));
      at += 8 + ((length + 7) & ~7L);
    }
    return null;
  }
}
