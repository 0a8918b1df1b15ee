package org.qcowfs.engine.qcow2.compress;

import com.github.luben.zstd.ZstdDecompressCtx;
import com.github.luben.zstd.ZstdException;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.host.DataBuffer;

/**
 * Compression type 1: one or more zstd frames (RFC 8878).
 *
 * <p>The frame header is judged before the library sees it, so that no window or dictionary it
 * names is ever allocated.
 */
final class ZstdDecompressor implements Decompressor {
  private static final int FRAME_MAGIC = 0xfd2fb528;

  /** RFC 8878 recommends decoders to support at least 8 MiB; qcow2 clusters are at most 2 MiB. */
  private static final long MAX_WINDOW = 8L << 20;

  private final ZstdDecompressCtx context = new ZstdDecompressCtx();

  @Override
  public @Nullable String decompress(DataBuffer src, int srcLength, DataBuffer dst, int dstLength) {
    ByteBuffer in = src.bytes().limit(srcLength).position(0);
    ByteBuffer out = dst.bytes().limit(dstLength).position(0);
    try {
      context.reset();
      while (out.hasRemaining()) {
        skipSkippable(in);
        String fault = frameFault(in);
        if (fault != null) {
          return fault + atByte(out);
        }
        boolean finished = false;
        while (!finished && out.hasRemaining()) {
          int before = in.position() + out.position();
          finished = context.decompressDirectByteBufferStream(out, in);
          if (!finished && in.position() + out.position() == before) {
            return "zstd stream is cut short" + atByte(out);
          }
        }
        if (!finished && !out.hasRemaining() && !finishes(in, out)) {
          return "zstd frame holds more than a cluster of " + dstLength + " bytes";
        }
      }
      return null;
    } catch (ZstdException e) {
      return "zstd stream is damaged (" + e.getMessage() + ")";
    } finally {
      src.bytes().clear();
      dst.bytes().clear();
    }
  }

  /** With the output full, lets the frame come to its end (checksum, empty blocks). */
  private boolean finishes(ByteBuffer in, ByteBuffer out) {
    while (true) {
      int before = in.position();
      if (context.decompressDirectByteBufferStream(out, in)) {
        return true;
      }
      if (in.position() == before) {
        return false;
      }
    }
  }

  private static String atByte(ByteBuffer out) {
    return " after " + out.position() + " bytes, expected " + out.limit();
  }

  /** Moves past skippable frames (RFC 8878, 3.1.2) as far as they end within the stream. */
  private static void skipSkippable(ByteBuffer in) {
    while (in.remaining() >= 8 && isSkippable(Integer.reverseBytes(in.getInt(in.position())))) {
      long length = 8 + Integer.toUnsignedLong(Integer.reverseBytes(in.getInt(in.position() + 4)));
      in.position((int) Math.min(in.limit(), in.position() + length));
    }
  }

  private static boolean isSkippable(int magic) {
    return (magic & 0xfffffff0) == 0x184d2a50;
  }

  /** What is wrong with the frame header at {@code in}'s position, or null. */
  private static @Nullable String frameFault(ByteBuffer in) {
    int at = in.position();
    if (in.remaining() < 6) {
      return "zstd stream is cut short";
    }
    int magic = Integer.reverseBytes(in.getInt(at)); // little-endian in a big-endian buffer
    if (magic != FRAME_MAGIC) {
      return String.format("zstd frame magic is 0x%08x, expected 0x%08x", magic, FRAME_MAGIC);
    }
    int descriptor = in.get(at + 4);
    if ((descriptor & 3) != 0) {
      return "zstd frame wants a dictionary, expected none";
    }
    boolean singleSegment = (descriptor & 0x20) != 0;
    if (!singleSegment) {
      int window = Byte.toUnsignedInt(in.get(at + 5));
      long base = 1L << (window >>> 3) + 10;
      long bytes = base + (base >>> 3) * (window & 7);
      return bytes <= MAX_WINDOW
          ? null
          : "zstd window is " + bytes + " bytes, expected at most " + MAX_WINDOW;
    }
    int sizeBytes = Math.max(1, 1 << (descriptor >>> 6 & 3) & ~1);
    if (in.remaining() < 5 + sizeBytes) {
      return "zstd stream is cut short";
    }
    long size = 0;
    for (int i = sizeBytes - 1; i >= 0; i--) {
      size = size << 8 | Byte.toUnsignedInt(in.get(at + 5 + i));
    }
    size += sizeBytes == 2 ? 256 : 0;
    return size >= 0 && size <= MAX_WINDOW
        ? null
        : "zstd window is "
            + Long.toUnsignedString(size)
            + " bytes, expected at most "
            + MAX_WINDOW;
  }
}
