package org.qcowfs.it.support;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;

/** SHA-256 of disks, whole or in part. */
public final class Sha256 {
  private static final int CHUNK = 1 << 20;

  private Sha256() {}

  /** Hashes a file from its first to its last byte. */
  public static String ofFile(Path file) {
    return ofFiles(List.of(file));
  }

  /** Hashes files one after the other as if they were one. */
  public static String ofFiles(List<Path> files) {
    MessageDigest digest = digest();
    for (Path file : files) {
      try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
        update(digest, channel, 0, Long.MAX_VALUE);
      } catch (IOException e) {
        throw new UncheckedIOException(file + ": " + e.getMessage(), e);
      }
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  /** Hashes some ranges of a file one after the other. */
  public static String ofFile(Path file, List<HoleMap.Stretch> windows) {
    MessageDigest digest = digest();
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      for (HoleMap.Stretch window : windows) {
        long got = update(digest, channel, window.start(), window.end());
        if (got != window.end()) {
          throw new AssertionError(file + " ends at " + got + " within " + window);
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(file + ": " + e.getMessage(), e);
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  private static long update(MessageDigest digest, FileChannel channel, long start, long end)
      throws IOException {
    ByteBuffer buffer = ByteBuffer.allocateDirect(CHUNK);
    long at = start;
    while (at < end) {
      int n = channel.read(buffer.clear().limit((int) Math.min(CHUNK, end - at)), at);
      if (n < 0) {
        break;
      }
      digest.update(buffer.flip());
      at += n;
    }
    return at;
  }

  /** Hashes some ranges of what a guest sees of an image. */
  public static String ofImage(Image image, List<HoleMap.Stretch> windows) throws ImageException {
    MessageDigest digest = digest();
    DataBuffer buffer = DataBuffer.allocate(CHUNK);
    for (HoleMap.Stretch window : windows) {
      for (long at = window.start(); at < window.end(); at += CHUNK) {
        int length = (int) Math.min(CHUNK, window.end() - at);
        image.read(at, buffer, 0, length);
        digest.update(buffer.bytes().duplicate().position(0).limit(length));
      }
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  /** One window over a whole disk of {@code size} bytes. */
  public static List<HoleMap.Stretch> whole(long size) {
    return List.of(new HoleMap.Stretch(0, size));
  }

  private static MessageDigest digest() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every JDK has SHA-256", e);
    }
  }
}
