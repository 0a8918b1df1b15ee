package org.qcowfs.engine.qcow2.compress;

import com.github.luben.zstd.ZstdCompressCtx;
import com.github.luben.zstd.ZstdException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.layer.Compressor;

/** Compression type 1: one zstd frame per cluster, of the library's default level as in QEMU. */
final class ZstdCompressor implements Compressor {
  private final ZstdCompressCtx context = new ZstdCompressCtx();

  @Override
  public int compress(
      DataBuffer src, int position, int length, DataBuffer dst, int dstPosition, int room) {
    try {
      return context.compressDirectByteBuffer(
          dst.bytes(), dstPosition, room, src.bytes(), position, length);
    } catch (ZstdException e) {
      return -1; // the destination is too small: nothing else goes wrong with bytes in memory
    }
  }

  @Override
  public void close() {
    context.close();
  }
}
