package org.qcowfs.engine.host;

import java.nio.ByteBuffer;

/** Finds runs of zeroes. */
public final class Zeroes {
  private static final int PIECE = 1 << 16;
  private static final ByteBuffer ZEROES = ByteBuffer.allocateDirect(PIECE).asReadOnlyBuffer();

  private Zeroes() {}

  /** Whether {@code length} bytes from {@code position} are all zero. */
  public static boolean isZero(DataBuffer buffer, int position, int length) {
    // Vectorised, in the quick compiler too; a loop over the bytes would not be.
    for (int done = 0; done < length; done += PIECE) {
      int n = Math.min(PIECE, length - done);
      if (buffer.bytes().slice(position + done, n).mismatch(ZEROES.slice(0, n)) >= 0) {
        return false;
      }
    }
    return true;
  }

  /**
   * Bytes from {@code position} on that are alike: units that are all zero, or units that are not.
   *
   * @param unit bytes looked at together
   * @return the length, negative for zeroes
   */
  public static int run(DataBuffer buffer, int position, int length, int unit) {
    boolean zero = isZero(buffer, position, Math.min(unit, length));
    int run = Math.min(unit, length);
    while (run < length && isZero(buffer, position + run, Math.min(unit, length - run)) == zero) {
      run += Math.min(unit, length - run);
    }
    return zero ? -run : run;
  }
}
