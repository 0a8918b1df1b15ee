package org.qcowfs.engine.proof;

import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;

/** Byte arrays in and out of an image; one thread at a time. */
final class GuestDisk {
  private static final ThreadLocal<DataBuffer> BUFFER =
      ThreadLocal.withInitial(() -> DataBuffer.allocate(1 << 20));

  private GuestDisk() {}

  static byte[] read(Image image, long offset, int length) throws ImageException {
    DataBuffer buffer = BUFFER.get();
    byte[] all = new byte[length];
    for (int done = 0; done < length; ) {
      int n = Math.min(length - done, buffer.capacity());
      image.read(offset + done, buffer, 0, n);
      buffer.bytes().get(0, all, done, n);
      done += n;
    }
    return all;
  }

  static byte[] readAll(Image image) throws ImageException {
    return read(image, 0, Math.toIntExact(image.size()));
  }

  /** Writes at most 1 MiB as one request. */
  static void write(Image image, long offset, byte[] data) throws ImageException {
    DataBuffer buffer = BUFFER.get();
    buffer.bytes().put(0, data);
    image.write(offset, buffer, 0, data.length);
  }

  /** Fails if {@link Image#nextData} skips bytes of {@code content} that are not zero. */
  static void verifyHoles(Image image, byte[] content) throws ImageException {
    for (long at = 0; at < content.length; ) {
      long data = image.nextData(at);
      long end = data < 0 ? content.length : data;
      for (long i = at; i < end; i++) {
        if (content[(int) i] != 0) {
          throw new AssertionError(
              String.format("nextData(0x%x) is 0x%x, but byte 0x%x is not zero", at, data, i));
        }
      }
      if (data < 0) {
        return;
      }
      at = image.nextHole(data);
      if (at <= data) {
        throw new AssertionError(
            String.format("nextHole(0x%x) is 0x%x, but nextData says data", data, at));
      }
    }
  }
}
