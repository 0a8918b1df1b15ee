package org.qcowfs.engine.qcow2.change;

import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.bitmap.BitmapStore;
import org.qcowfs.engine.qcow2.bitmap.StoredBitmap;
import org.qcowfs.engine.qcow2.format.Header;

/**
 * The bits of a bitmap, in clusters of the image; a cluster without a bit takes no memory.
 *
 * <p><b>Thread safety:</b> none.
 */
public final class BitmapBits {
  private final long size;
  private final int granularityBits;
  private final int clusterSize;
  private byte[] @Nullable [] clusters;

  private BitmapBits(long size, int granularityBits, int clusterSize) {
    this.size = size;
    this.granularityBits = granularityBits;
    this.clusterSize = clusterSize;
    this.clusters =
        new byte[(int) Math.max(1, StoredBitmap.entriesFor(size, granularityBits, clusterSize))][];
  }

  /** Reads a bitmap of an image of this header. */
  static BitmapBits read(HostFile file, Header header, StoredBitmap bitmap) throws ImageException {
    BitmapBits bits =
        new BitmapBits(header.size(), bitmap.granularityBits(), (int) header.clusterSize());
    long[] table = BitmapStore.table(file, bitmap);
    DataBuffer buffer = DataBuffer.allocate(bits.clusterSize);
    for (int i = 0; i < Math.min(table.length, bits.clusters.length); i++) {
      long offset = Qcow2Bitmaps.offset(table[i]);
      if (offset != 0) {
        buffer.zero(0, bits.clusterSize);
        file.read(offset, buffer, 0, bits.clusterSize);
        byte[] cluster = new byte[bits.clusterSize];
        buffer.bytes().get(0, cluster);
        bits.clusters[i] = cluster;
      } else if ((table[i] & 1) != 0) {
        long first = (long) i * bits.clusterSize * 8;
        bits.set(first, Math.min(bits.count(), first + bits.clusterSize * 8L));
      }
    }
    return bits;
  }

  /** The size of the disk it stands for, in bytes. */
  long size() {
    return size;
  }

  int clusters() {
    return clusters.length;
  }

  /** Cluster {@code i}'s bytes, or null if no bit is set there. */
  byte @Nullable [] cluster(int i) {
    return clusters[i];
  }

  private long count() {
    return (size >>> granularityBits) + ((size & (1L << granularityBits) - 1) == 0 ? 0 : 1);
  }

  private void set(long from, long to) {
    for (long bit = from; bit < to; bit++) {
      int index = (int) (bit / 8 / clusterSize);
      byte[] cluster = clusters[index];
      if (cluster == null) {
        cluster = new byte[clusterSize];
        clusters[index] = cluster;
      }
      cluster[(int) (bit / 8 % clusterSize)] |= (byte) (1 << (bit & 7));
    }
  }

  /** Sets what {@code other} has set; it stands for a disk of the same size. */
  void merge(BitmapBits other) {
    long end = other.count();
    long bits = other.clusterSize * 8L;
    for (int i = 0; i < other.clusters.length; i++) {
      byte[] cluster = other.clusters[i];
      for (long bit = i * bits; cluster != null && bit < Math.min(end, (i + 1) * bits); bit++) {
        if ((cluster[(int) (bit / 8 % other.clusterSize)] >>> (bit & 7) & 1) != 0) {
          long from = bit << other.granularityBits;
          long to = Math.min(size, from + (1L << other.granularityBits));
          set(from >>> granularityBits, (to - 1 >>> granularityBits) + 1);
        }
      }
    }
  }

  /** The same bits over a disk of another size: new ones are 0, what lies behind is dropped. */
  BitmapBits resized(long newSize) {
    BitmapBits resized = new BitmapBits(newSize, granularityBits, clusterSize);
    long end = Math.min(count(), resized.count());
    for (int i = 0; i < Math.min(clusters.length, resized.clusters.length); i++) {
      byte[] cluster = clusters[i];
      if (cluster != null) {
        resized.clusters[i] = cluster.clone();
      }
    }
    resized.clearFrom(end);
    return resized;
  }

  private void clearFrom(long first) {
    for (long bit = first; bit < (long) clusters.length * clusterSize * 8; bit++) {
      int index = (int) (bit / 8 / clusterSize);
      byte[] cluster = clusters[index];
      if (cluster == null) {
        bit = (index + 1L) * clusterSize * 8 - 1;
      } else {
        cluster[(int) (bit / 8 % clusterSize)] &= (byte) ~(1 << (bit & 7));
      }
    }
  }
}
