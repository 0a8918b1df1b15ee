package org.qcowfs.engine.proof;

import java.util.Arrays;
import java.util.Locale;
import java.util.Random;

/** One request of a guest, or of the one who opened the image for it. */
sealed interface GuestOperation {
  /**
   * A write of bytes drawn from {@code fill}.
   *
   * @param fill 0 for zeroes
   * @param compressed whether in compressed clusters: then the range is whole clusters, or ends
   *     with the disk, and three quarters of the bytes are zero
   */
  record Write(int offset, int length, int fill, boolean compressed) implements GuestOperation {
    private static final int STRETCH = 512;

    byte[] data() {
      byte[] data = new byte[length];
      if (fill != 0) {
        new Random(fill).nextBytes(data);
      }
      if (compressed) {
        for (int at = STRETCH; at < length; at += 4 * STRETCH) {
          Arrays.fill(data, at, Math.min(length, at + 3 * STRETCH), (byte) 0);
        }
      }
      return data;
    }

    @Override
    public String toString() {
      String how = compressed ? " compressed" : "";
      return String.format(
          "write 0x%x+0x%x%s%s", offset, length, how, fill == 0 ? " of zeroes" : "");
    }
  }

  /** A request that a range read as zeroes. */
  record Zero(int offset, int length, boolean unmap) implements GuestOperation {
    @Override
    public String toString() {
      return String.format("zero 0x%x+0x%x%s", offset, length, unmap ? " unmap" : "");
    }
  }

  /** A request to reserve room. */
  record Allocate(int offset, int length) implements GuestOperation {
    @Override
    public String toString() {
      return String.format("allocate 0x%x+0x%x", offset, length);
    }
  }

  /** A flush. */
  record Flush() implements GuestOperation {
    @Override
    public String toString() {
      return "flush";
    }
  }

  /** An internal snapshot of this instant; nothing if there is one of that name. */
  record CreateSnapshot(String name) implements GuestOperation {
    @Override
    public String toString() {
      return "create snapshot " + name;
    }
  }

  /** The end of a snapshot: number {@code index} of those there are, counted round. */
  record DeleteSnapshot(int index) implements GuestOperation {
    @Override
    public String toString() {
      return "delete snapshot number " + index;
    }
  }

  /** The disk becomes what it was at snapshot number {@code index}, and is opened again. */
  record ApplySnapshot(int index) implements GuestOperation {
    @Override
    public String toString() {
      return "apply snapshot number " + index;
    }
  }

  /** Closing and opening again. */
  record Reopen() implements GuestOperation {
    @Override
    public String toString() {
      return getClass().getSimpleName().toLowerCase(Locale.ROOT);
    }
  }
}
