package org.qcowfs.engine.qcow2.refcount;

import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.format.Geometry;

/**
 * The image file's length, and which part of it was never written.
 *
 * <p>The file is made longer ahead of use, a step at a time, and cut back at close; the part behind
 * {@link #end()} is a hole that reads as zeroes.
 *
 * <p><b>Thread safety:</b> none; the caller holds the metadata lock, but for {@link #end()}.
 */
public final class HostSpace {
  private static final long STEP = 1 << 20;

  /** Keeps what is known per cluster within bounds: 2 PiB of 64 KiB clusters. */
  private static final long MAX_CLUSTERS = 1L << 35;

  private static final int ZEROES = 1 << 16;

  private final HostFile file;
  private final Geometry geometry;
  private final DataBuffer zeroes = DataBuffer.allocate(ZEROES);
  private final DataBuffer scratch = DataBuffer.allocate(ZEROES);

  /** Nothing was ever stored at or behind this offset. */
  private volatile long end;

  private long length;

  public HostSpace(HostFile file, Geometry geometry) throws ImageException {
    this.file = file;
    this.geometry = geometry;
    this.length = file.length();
    if (length >>> geometry.clusterBits() > MAX_CLUSTERS) {
      throw new ImageException(
          ErrorKind.UNSUPPORTED,
          file.path(),
          "the file has more than 2^35 clusters; it can be read, not written");
    }
    this.end = length + geometry.clusterSize() - 1 & -geometry.clusterSize();
  }

  /** Where the used part of the file ends, a multiple of the cluster size. */
  public long end() {
    return end;
  }

  /** A buffer for one small piece of metadata; used and forgotten under the metadata lock. */
  DataBuffer scratch(int bytes) {
    if (bytes > scratch.capacity()) {
      throw new IllegalArgumentException("piece of " + bytes + " bytes");
    }
    return scratch;
  }

  /**
   * Makes sure that the file reaches over a range that is about to be used.
   *
   * @return whether nothing was ever stored in the range, so that it reads as zeroes
   * @throws ImageException kind {@code NO_SPACE} if the file cannot be that long
   */
  public boolean claim(long hostOffset, long bytes) throws ImageException {
    long wanted = hostOffset + bytes;
    if (wanted > length) {
      if (!file.resizable()) {
        throw new ImageException(
            ErrorKind.NO_SPACE,
            file.path(),
            "the device ends at " + length + " bytes, and the image needs " + wanted);
      }
      long longer = Math.max(wanted, end + STEP);
      file.truncate(longer);
      length = longer;
    }
    boolean fresh = hostOffset >= end && file.resizable();
    end = Math.max(end, wanted + geometry.clusterSize() - 1 & -geometry.clusterSize());
    return fresh;
  }

  /** Stores zeroes; the range is claimed. */
  public void writeZeroes(long hostOffset, long bytes) throws ImageException {
    for (long done = 0; done < bytes; done += ZEROES) {
      file.write(hostOffset + done, zeroes, 0, (int) Math.min(ZEROES, bytes - done));
    }
  }

  /** Cuts the file to {@code newEnd}, a multiple of the cluster size: nothing behind is in use. */
  public void cut(long newEnd) throws ImageException {
    if (file.resizable() && newEnd < length) {
      file.truncate(newEnd);
      length = newEnd;
    }
    end = Math.min(end, newEnd);
  }

  /** Cuts off what was made longer ahead of use. */
  public void trim() throws ImageException {
    if (file.resizable() && length > end) {
      file.truncate(end);
      length = end;
    }
  }
}
