package org.qcowfs.engine.qcow2.refcount;

import java.nio.ByteBuffer;

/**
 * Refcounts of 1 to 64 bits in a refcount block (spec: "Host cluster management"): big-endian, and
 * below a byte packed from the least significant bit on.
 *
 * @param order log2 of the width in bits, 0 to 6
 */
public record RefcountWidth(int order) {
  /** The largest count (as an unsigned value). */
  public long max() {
    return order == 6 ? -1L : (1L << (1 << order)) - 1;
  }

  /** Counts in {@code bytes} bytes. */
  public long countsIn(long bytes) {
    return bytes << 3 >>> order;
  }

  /** Count number {@code index} of {@code block}, unsigned. */
  public long get(ByteBuffer block, int index) {
    return switch (order) {
      case 3 -> Byte.toUnsignedLong(block.get(index));
      case 4 -> Short.toUnsignedLong(block.getShort(index << 1));
      case 5 -> Integer.toUnsignedLong(block.getInt(index << 2));
      case 6 -> block.getLong(index << 3);
      default -> {
        int bit = index << order;
        yield block.get(bit >>> 3) >>> (bit & 7) & max();
      }
    };
  }

  /** Sets count number {@code index}; {@code value} is at most {@link #max()}. */
  public void set(ByteBuffer block, int index, long value) {
    switch (order) {
      case 3 -> block.put(index, (byte) value);
      case 4 -> block.putShort(index << 1, (short) value);
      case 5 -> block.putInt(index << 2, (int) value);
      case 6 -> block.putLong(index << 3, value);
      default -> {
        int bit = index << order;
        int shift = bit & 7;
        int others = block.get(bit >>> 3) & ~((int) max() << shift);
        block.put(bit >>> 3, (byte) (others | (int) value << shift));
      }
    }
  }
}
