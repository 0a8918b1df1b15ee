package org.qcowfs.engine.qcow2.check;

import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;

/**
 * The image file as a check sees it: what is past its end reads as zeroes.
 *
 * @param file the file
 * @param length its length in bytes, rounded up to whole sectors of 512
 */
record CheckedFile(HostFile file, long length) {
  /** QEMU's BDRV_MAX_LENGTH. */
  private static final long MOST = Long.MAX_VALUE & -(1L << 30);

  static CheckedFile of(HostFile file) throws ImageException {
    return new CheckedFile(file, file.length() + 511 & ~511L);
  }

  /** Reads exactly {@code length} bytes to the start of {@code dst}. */
  void read(long hostOffset, DataBuffer dst, int length) throws ImageException {
    if (hostOffset < 0 || hostOffset > MOST - length) {
      throw new ImageException(
          ErrorKind.IO, file.path(), String.format("no host offset: 0x%x", hostOffset));
    }
    int got = hostOffset >= this.length ? 0 : file.read(hostOffset, dst, 0, length);
    if (got < length) {
      dst.zero(got, length - got);
    }
  }

  /** Whether {@link #read} could read {@code bytes} bytes from there. */
  static boolean readable(long hostOffset, long bytes) {
    return hostOffset >= 0 && hostOffset <= MOST - bytes;
  }
}
