package org.qcowfs.engine.change;

import org.qcowfs.engine.host.DataBuffer;

/** Looks at bytes, eight at a time. */
final class Bytes {
  private Bytes() {}

  /** Whether {@code length} bytes from {@code position} on are zero. */
  static boolean isZero(DataBuffer buffer, int position, int length) {
    int i = position;
    int end = position + length;
    for (; i + 8 <= end; i += 8) {
      if (buffer.bytes().getLong(i) != 0) {
        return false;
      }
    }
    for (; i < end; i++) {
      if (buffer.bytes().get(i) != 0) {
        return false;
      }
    }
    return true;
  }

  /** Whether two buffers have the same bytes at the same place. */
  static boolean equal(DataBuffer a, DataBuffer b, int position, int length) {
    return a.bytes().slice(position, length).equals(b.bytes().slice(position, length));
  }
}
