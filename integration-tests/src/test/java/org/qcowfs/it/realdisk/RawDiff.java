package org.qcowfs.it.realdisk;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.TempImages;

/**
 * Carries the changes between two states of a raw disk into a qcow2 image, as a guest's writes
 * would: only what changed is written.
 */
final class RawDiff {
  private static final int BLOCK = 64 << 10;

  /** Changed neighbours are written together, up to this. */
  private static final int LONGEST = 4 << 20;

  private RawDiff() {}

  /** Makes {@code image}, which shows {@code before}, show {@code after}. */
  static void apply(Path before, Path after, Path image) {
    try (TempImages scratch = TempImages.create("diff");
        FileChannel old = FileChannel.open(before, StandardOpenOption.READ);
        FileChannel now = FileChannel.open(after, StandardOpenOption.READ)) {
      QemuIo script = QemuIo.on(image);
      long size = now.size();
      int parts = 0;
      for (long at = 0; at < size; ) {
        long end = at;
        while (end < size && end - at < LONGEST && differs(old, now, end)) {
          end = Math.min(size, end + BLOCK);
        }
        if (end > at) {
          Path part =
              Files.write(scratch.path("part-" + parts++), bytes(now, at, (int) (end - at)));
          script.writeFrom(part, at, end - at);
        }
        at = end > at ? end : at + BLOCK;
      }
      script.run();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static boolean differs(FileChannel old, FileChannel now, long at) throws IOException {
    return !Arrays.equals(bytes(old, at, BLOCK), bytes(now, at, BLOCK));
  }

  private static byte[] bytes(FileChannel file, long offset, int length) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate((int) Math.min(length, file.size() - offset));
    while (buffer.hasRemaining() && file.read(buffer, offset + buffer.position()) >= 0) {
      continue;
    }
    return buffer.array();
  }
}
