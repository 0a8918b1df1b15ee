package org.qcowfs.it.fuzz;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** Fingerprints of every sector that lies in an image's own files. */
final class Sectors {
  static final int SIZE = 512;

  /** What the file outside is full of, every 16 bytes. */
  static final byte[] SECRET = "[not the guest's".getBytes(StandardCharsets.US_ASCII);

  /** What a buffer is full of before it is read into. */
  static final byte POISON = (byte) 0xb5;

  private static final long ZERO = fingerprint(ByteBuffer.allocate(SIZE), 0);

  private final List<long[]> known;

  /**
   * @param known {@link #of(Path)} of each file
   */
  Sectors(List<long[]> known) {
    this.known = known;
  }

  /** What is not zero of {@code file}'s sectors, sorted; the last is filled up with zeroes. */
  static long[] of(Path file) throws IOException {
    long[] found = new long[1024];
    int count = 0;
    ByteBuffer block = ByteBuffer.allocate(64 << 10);
    try (FileChannel in = FileChannel.open(file)) {
      long length = in.size();
      for (long at = 0; at < length; at += block.capacity()) {
        Arrays.fill(block.array(), (byte) 0);
        block.clear();
        while (block.hasRemaining() && in.read(block, at + block.position()) > 0) {}
        for (int i = 0; i < block.capacity(); i += SIZE) {
          long one = fingerprint(block, i);
          if (one != ZERO) {
            if (count == found.length) {
              found = Arrays.copyOf(found, count * 2);
            }
            found[count++] = one;
          }
        }
      }
    }
    found = Arrays.copyOf(found, count);
    Arrays.sort(found);
    return found;
  }

  /** Whether a sector with this fingerprint is one of the files', or zero. */
  boolean has(long fingerprint) {
    return fingerprint == ZERO
        || known.stream().anyMatch(file -> Arrays.binarySearch(file, fingerprint) >= 0);
  }

  /** 64 bits of the sector at {@code position}. */
  static long fingerprint(ByteBuffer bytes, int position) {
    long hash = 0x9e3779b97f4a7c15L;
    for (int i = 0; i < SIZE; i += 8) {
      hash = (hash ^ bytes.getLong(position + i)) * 0xff51afd7ed558ccdL;
      hash ^= hash >>> 32;
    }
    return hash;
  }

  /** What no file of the image's holds and was read all the same, or null. */
  static @org.jspecify.annotations.Nullable String foreign(
      ByteBuffer bytes, int position, int length) {
    long secret = ByteBuffer.wrap(SECRET).getLong(0);
    long poison = 0xb5b5b5b5b5b5b5b5L;
    for (int i = 0; i + 16 <= length; i += 8) {
      long word = bytes.getLong(position + i);
      if (word == secret) {
        return "bytes of the file outside";
      }
      if (word == poison && bytes.getLong(position + i + 8) == poison) {
        return "bytes that were not read";
      }
    }
    return null;
  }
}
