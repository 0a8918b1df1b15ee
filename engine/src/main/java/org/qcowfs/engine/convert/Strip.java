package org.qcowfs.engine.convert;

import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;

/**
 * The same stretch of two disks, read and compared.
 *
 * <p><b>Thread safety:</b> one thread at a time.
 */
final class Strip {
  /** Both buffers stay in the second-level cache of a processor. */
  static final int BYTES = 256 << 10;

  private final DataBuffer one = DataBuffer.allocate(BYTES);
  private final DataBuffer other = DataBuffer.allocate(BYTES);
  private long start;
  private int length;

  /** The stretch that {@link #read} will read. */
  void set(long start, int length) {
    this.start = start;
    this.length = length;
  }

  /** Guest offset of the first byte. */
  long start() {
    return start;
  }

  /** Guest offset behind the last byte. */
  long end() {
    return start + length;
  }

  /** Reads both; behind the end of a disk there are zeroes. */
  void read(Image first, Image second) throws Compare.ReadFault {
    read(first, true, one);
    read(second, false, other);
  }

  private void read(Image image, boolean first, DataBuffer dst) throws Compare.ReadFault {
    if (start >= image.size()) {
      dst.zero(0, length);
      return;
    }
    try {
      image.read(start, dst, 0, length);
    } catch (ImageException e) {
      length = 0; // nothing to be compared
      throw new Compare.ReadFault(first, start, e);
    }
  }

  /** Guest offset of the first sector at or behind the sector of {@code at} that differs. */
  long differing(long at) {
    int from = (int) (at - start);
    int found = mismatch(from, length);
    return found < 0 ? end() : start + (from + found) / Compare.SECTOR * Compare.SECTOR;
  }

  /** Guest offset of the first sector from {@code at} on that is the same in both. */
  long same(long at) {
    int from = (int) (at - start);
    while (from < length && mismatch(from, Math.min(from + Compare.SECTOR, length)) >= 0) {
      from += Compare.SECTOR;
    }
    return start + Math.min(from, length);
  }

  private int mismatch(int from, int to) {
    return one.bytes().slice(from, to - from).mismatch(other.bytes().slice(from, to - from));
  }
}
