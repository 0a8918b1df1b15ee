package org.qcowfs.engine.convert;

import java.util.List;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.layer.Mapping;

/**
 * One or more open images, one after the other. Each begins at a whole sector, as in QEMU, whose
 * disks have no other sizes; what is before it reads as zeroes.
 *
 * <p><b>Thread safety:</b> as {@link Image}.
 */
final class Source {
  static final int SECTOR = 512;

  private final List<Image> images;
  private final long[] starts;
  private final long size;

  Source(List<Image> images) {
    this.images = List.copyOf(images);
    this.starts = new long[images.size()];
    long at = 0;
    for (int i = 0; i < starts.length; i++) {
      at = Math.addExact(at, SECTOR - 1) & -SECTOR;
      starts[i] = at;
      at = Math.addExact(at, images.get(i).size());
    }
    this.size = at;
  }

  long size() {
    return size;
  }

  private int indexOf(long offset) {
    int i = starts.length - 1;
    while (starts[i] > offset) {
      i--;
    }
    return i;
  }

  /** Where what is behind disk {@code i} ends: where the next one begins. */
  private long gapEnd(int i) {
    return i + 1 < starts.length ? starts[i + 1] : size;
  }

  /**
   * As {@link Image#extent}, within one of the images.
   *
   * @param topOnly whether what the layers below have, or may have, counts as {@code UNALLOCATED};
   *     what reads as zeroes because they end before it, or because there are none, is {@code ZERO}
   */
  void extent(long offset, long length, boolean topOnly, Mapping out) throws ImageException {
    int i = indexOf(offset);
    Image image = images.get(i);
    long within = offset - starts[i];
    if (within >= image.size()) {
      out.setZero(Math.min(length, gapEnd(i) - offset));
      return;
    }
    image.extent(within, Math.min(length, image.size() - within), out);
    if (topOnly && out.depth() > 0) {
      out.setUnallocated(out.length());
    } else if (topOnly && out.kind() == Mapping.Kind.UNALLOCATED) {
      out.setZero(out.length());
    }
  }

  void read(long offset, DataBuffer dst, int position, int length) throws ImageException {
    for (int done = 0; done < length; ) {
      int i = indexOf(offset + done);
      Image image = images.get(i);
      long within = offset + done - starts[i];
      int n = (int) Math.min(length - done, image.size() - within);
      if (n > 0) {
        image.read(within, dst, position + done, n);
      } else {
        n = (int) Math.min(length - done, gapEnd(i) - offset - done);
        dst.zero(position + done, n);
      }
      done += n;
    }
  }
}
