package org.qcowfs.engine.host;

import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.model.Preallocation;

/** Gives a range of a host file the blocks that a preallocation asks for. */
public final class Reservation {
  private static final int PIECE_BYTES = 1 << 20;

  private Reservation() {}

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
