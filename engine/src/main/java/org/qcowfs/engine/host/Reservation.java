package org.qcowfs.engine.host;

import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.model.Preallocation;

/** Gives a range of a host file the blocks that a preallocation asks for. */
public final class Reservation {
  private static final int PIECE_BYTES = 1 << 20;

  /** At least a block of every usual device. */
  private static final int FIRST_BYTES = 4096;

  private Reservation() {}

  /**
   * Makes an empty file of raw data {@code size} bytes long, and writes its first block: a program
   * that tries out what alignment direct I/O needs, as QEMU does, learns nothing from a hole, which
   * some file systems read at any alignment.
   */
  public static void extendEmpty(HostFile file, long size) throws ImageException {
    file.truncate(size);
    int first = (int) Math.min(size, FIRST_BYTES);
    if (first > 0) {
      file.write(0, DataBuffer.allocate(first), 0, first);
    }
  }

  /**
   * Reserves a range that reads as zeroes; it goes on doing so.
   *
   * @throws ImageException kind {@code NO_SPACE} where the host has not that much
   */
  public static void make(HostFile file, long hostOffset, long length, Preallocation how)
      throws ImageException {
    switch (how) {
      case OFF, METADATA -> {}
      case FALLOC -> file.allocate(hostOffset, length);
      case FULL -> {
        DataBuffer zeroes = DataBuffer.allocate((int) Math.min(PIECE_BYTES, length));
        for (long done = 0; done < length; done += zeroes.capacity()) {
          int piece = (int) Math.min(length - done, zeroes.capacity());
          file.write(hostOffset + done, zeroes, 0, piece);
        }
      }
    }
  }
}
