package org.qcowfs.engine.proof;

import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.layer.Compressing;
import org.qcowfs.engine.layer.Compressor;
import org.qcowfs.engine.proof.GuestOperation.Write;

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

  /** Does the request, of at most 1 MiB; what does not compress is stored as it is. */
  static void write(Image image, Write write) throws ImageException {
    if (write.compressed()) {
      writeCompressed(image, write.offset(), write.data());
    } else {
      write(image, write.offset(), write.data());
    }
  }

  private static void writeCompressed(Image image, long offset, byte[] data) throws ImageException {
    Compressing target = image.compressing();
    if (target == null) {
      throw new ImageException(ErrorKind.UNSUPPORTED, image.path(0), "no compressed clusters");
    }
    int unit = target.compressedUnit();
    DataBuffer plain = DataBuffer.allocate(unit);
    DataBuffer packed = DataBuffer.allocate(unit);
    try (Compressor compressor = target.newCompressor()) {
      for (int at = 0; at < data.length; at += unit) {
        int length = Math.min(unit, data.length - at);
        plain.zero(0, unit);
        plain.bytes().put(0, data, at, length);
        int bytes = compressor.compress(plain, 0, unit, packed, 0, unit - 1);
        if (bytes < 0) {
          image.write(offset + at, plain, 0, length);
        } else {
          target.writeCompressed(offset + at, packed, 0, bytes);
        }
      }
    }
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
