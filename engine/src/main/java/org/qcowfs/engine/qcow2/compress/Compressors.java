package org.qcowfs.engine.qcow2.compress;

import org.qcowfs.engine.layer.Compressor;

/** Makes compressors for clusters. */
public final class Compressors {
  private Compressors() {}

  /** A compressor of one of the two compression types. */
  public static Compressor of(boolean zstd) {
    return zstd ? new ZstdCompressor() : DeflateCompressor.open();
  }
}
