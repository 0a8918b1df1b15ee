package org.qcowfs.engine.qcow2.compress;

import java.lang.ref.Reference;
import java.util.zip.Deflater;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.posix.Zlib;
import org.qcowfs.engine.layer.Compressor;

/**
 * Compression type 0: a raw deflate stream with a 12-bit window, as QEMU's reader asks for (spec:
 * "zlib"). A reference further back than 4 KiB could be refused by a reader that keeps no more.
 */
final class DeflateCompressor implements Compressor {
  private static final int WINDOW_BYTES = 1 << 12;

  private final @Nullable Zlib zlib;
  private final @Nullable Deflater deflater;

  private DeflateCompressor(@Nullable Zlib zlib, @Nullable Deflater deflater) {
    this.zlib = zlib;
    this.deflater = deflater;
  }

  static DeflateCompressor open() {
    Zlib zlib = Zlib.open();
    return new DeflateCompressor(zlib, zlib == null ? javas() : null);
  }

  /** Without the system's zlib; compresses less. */
  static DeflateCompressor withoutLibrary() {
    return new DeflateCompressor(null, javas());
  }

  private static Deflater javas() {
    return new Deflater(Deflater.DEFAULT_COMPRESSION, true);
  }

  @Override
  public int compress(
      DataBuffer src, int position, int length, DataBuffer dst, int dstPosition, int room) {
    if (zlib != null) {
      int done = zlib.compress(src.address() + position, length, dst.address() + dstPosition, room);
      Reference.reachabilityFence(src);
      Reference.reachabilityFence(dst);
      return done;
    }
    if (deflater == null) {
      throw new IllegalStateException("closed");
    }
    return inWindows(deflater, src, position, length, dst, dstPosition, room);
  }

  /** Java's window is 32 KiB: the stream forgets what it has seen after each 4 KiB. */
  private static int inWindows(
      Deflater deflater,
      DataBuffer src,
      int position,
      int length,
      DataBuffer dst,
      int dstPosition,
      int room) {
    deflater.reset();
    var in = src.bytes().duplicate();
    var out = dst.bytes().duplicate().limit(dstPosition + room).position(dstPosition);
    for (int done = 0; done < length; done += WINDOW_BYTES) {
      int end = Math.min(done + WINDOW_BYTES, length);
      deflater.setInput(in.limit(position + end).position(position + done));
      if (end == length) {
        deflater.finish();
      }
      deflater.deflate(out, end == length ? Deflater.NO_FLUSH : Deflater.FULL_FLUSH);
      if (!out.hasRemaining()) {
        return -1; // or just full: a byte less does no harm
      }
    }
    return deflater.finished() ? out.position() - dstPosition : -1;
  }

  @Override
  public void close() {
    if (zlib != null) {
      zlib.close();
    }
    if (deflater != null) {
      deflater.end();
    }
  }
}
