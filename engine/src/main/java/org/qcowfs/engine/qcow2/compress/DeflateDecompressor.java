package org.qcowfs.engine.qcow2.compress;

import java.util.zip.DataFormatException;
import java.util.zip.Inflater;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.host.DataBuffer;

/** Compression type 0: a raw deflate stream (spec: "zlib"; written with a 12-bit window). */
final class DeflateDecompressor implements Decompressor {
  private final Inflater inflater = new Inflater(true);

  @Override
  public @Nullable String decompress(DataBuffer src, int srcLength, DataBuffer dst, int dstLength) {
    inflater.reset();
    inflater.setInput(src.bytes().limit(srcLength).position(0));
    int done;
    try {
      done = inflater.inflate(dst.bytes().limit(dstLength).position(0));
    } catch (DataFormatException e) {
      return "deflate stream is damaged (" + e.getMessage() + ")";
    } finally {
      src.bytes().clear();
      dst.bytes().clear();
    }
    return done == dstLength
        ? null
        : "deflate stream ends after " + done + " bytes, expected " + dstLength;
  }
}
