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
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;

/** SHA-256 of whole disks. */
public final class Sha256 {
  private static final int CHUNK = 1 << 20;

  private Sha256() {}

  /** Hashes a file from its first to its last byte. */
  public static String ofFile(Path file) {
    MessageDigest digest = digest();
    ByteBuffer buffer = ByteBuffer.allocateDirect(CHUNK);
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      while (channel.read(buffer.clear()) >= 0) {
        digest.update(buffer.flip());
      }
    } catch (IOException e) {
      throw new UncheckedIOException(file + ": " + e.getMessage(), e);
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  /** Hashes what a guest sees of an image. */
  public static String ofImage(Image image) throws ImageException {
    MessageDigest digest = digest();
    DataBuffer buffer = DataBuffer.allocate(CHUNK);
    for (long at = 0; at < image.size(); at += CHUNK) {
      int length = (int) Math.min(CHUNK, image.size() - at);
      image.read(at, buffer, 0, length);
      digest.update(buffer.bytes().duplicate().position(0).limit(length));
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  private static MessageDigest digest() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every JDK has SHA-256", e);
    }
  }
}
