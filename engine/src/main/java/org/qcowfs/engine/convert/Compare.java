package org.qcowfs.engine.convert;

import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.change.Progress;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.layer.Mapping;

/**
 * Compares what two disks hold; behind the end of the shorter one there are zeroes.
 *
 * <p><b>Thread safety:</b> one thread at a time.
 */
public final class Compare {
  /** Differences are told to this many bytes. */
  public static final int SECTOR = 512;

  private static final int PIECE_BYTES = 1 << 20;

  /** A range that differs. */
  public record Difference(long start, long length) {
    /** The first byte behind it. */
    public long end() {
      return start + length;
    }
  }

  /** A disk could not be read: which of the two, and why. */
  public static final class ReadFault extends Exception {
    private static final long serialVersionUID = 1L;

    private final boolean first;
    private final long offset;
    private final ImageException reason;

    private ReadFault(boolean first, long offset, ImageException reason) {
      super(reason);
      this.first = first;
      this.offset = offset;
      this.reason = reason;
    }

    /** Whether it was the first of the two. */
    public boolean isFirst() {
      return first;
    }

    /** Where the range that was read begins, in bytes. */
    public long offset() {
      return offset;
    }

    public ImageException reason() {
      return reason;
    }
  }

  private final Image one;
  private final Image other;
  private final long size;
  private final Progress progress;
  private final DataBuffer oneBytes = DataBuffer.allocate(PIECE_BYTES);
  private final DataBuffer otherBytes = DataBuffer.allocate(PIECE_BYTES);
  private final Mapping oneMapping = new Mapping();
  private final Mapping otherMapping = new Mapping();

  /**
   * @param progress told how far it is
   */
  public Compare(Image one, Image other, Progress progress) {
    this.one = one;
    this.other = other;
    this.size = Math.max(one.size(), other.size());
    this.progress = progress;
  }

  /**
   * The first difference at or after {@code from}, to its end.
   *
   * @return null if there is none
   */
  public @Nullable Difference next(long from) throws ImageException, ReadFault {
    Difference found = null;
    for (long at = from; at < size; ) {
      progress.at(at, size);
      long length = Math.min(PIECE_BYTES, size - at);
      length = extent(one, at, length, oneMapping);
      length = extent(other, at, length, otherMapping);
      if (isZero(oneMapping) && isZero(otherMapping)) {
        if (found != null) {
          return found;
        }
        // Nothing to read: as far as both go.
        at += zeroes(at);
        continue;
      }
      int bytes = (int) length;
      read(one, true, at, oneBytes, bytes);
      read(other, false, at, otherBytes, bytes);
      int done = 0;
      while (done < bytes) {
        int differing = found == null ? differing(done, bytes) : done;
        int same = equal(differing, bytes);
        if (differing < bytes && same > differing) {
          found =
              found == null
                  ? new Difference(at + differing, same - differing)
                  : new Difference(found.start(), at + same - found.start());
        }
        if (found != null && same < bytes) {
          return found;
        }
        done = found == null ? bytes : same;
      }
      at += bytes;
    }
    if (size > 0) {
      progress.at(size, size);
    }
    return found;
  }

  private long zeroes(long at) throws ImageException {
    long length = extent(one, at, size - at, oneMapping);
    return extent(other, at, length, otherMapping);
  }

  /** Asks what is at {@code at}; past the end of a disk there are zeroes. */
  private static long extent(Image image, long at, long length, Mapping out) throws ImageException {
    if (at >= image.size()) {
      out.setZero(length);
      return length;
    }
    image.extent(at, Math.min(length, image.size() - at), out);
    return out.length();
  }

  private static boolean isZero(Mapping mapping) {
    return mapping.kind() == Mapping.Kind.ZERO || mapping.kind() == Mapping.Kind.UNALLOCATED;
  }

  private static void read(Image image, boolean first, long at, DataBuffer dst, int length)
      throws ReadFault {
    if (at >= image.size()) {
      dst.zero(0, length);
      return;
    }
    try {
      image.read(at, dst, 0, length);
    } catch (ImageException e) {
      throw new ReadFault(first, at, e);
    }
  }

  /** The first sector from {@code from} on that differs, or {@code to}. */
  private int differing(int from, int to) {
    int found =
        oneBytes.bytes().slice(from, to - from).mismatch(otherBytes.bytes().slice(from, to - from));
    return found < 0 ? to : (from + found) / SECTOR * SECTOR;
  }

  /** The first sector from {@code from} on that does not differ, or {@code to}. */
  private int equal(int from, int to) {
    int at = from;
    while (at < to && differing(at, Math.min(at + SECTOR, to)) == at) {
      at += SECTOR;
    }
    return Math.min(at, to);
  }
}
