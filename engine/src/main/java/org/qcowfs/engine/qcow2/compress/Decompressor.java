package org.qcowfs.engine.qcow2.compress;

import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.host.DataBuffer;

/**
 * One compression type of qcow2.
 *
 * <p><b>Thread safety:</b> one thread at a time.
 */
interface Decompressor {
  /**
   * Decompresses the first {@code srcLength} bytes of {@code src}, which may be followed by other
   * clusters' bytes up to the end of their sector, into the first {@code dstLength} bytes of {@code
   * dst}.
   *
   * @return null on success, else what is wrong
   */
  @Nullable String decompress(DataBuffer src, int srcLength, DataBuffer dst, int dstLength);
}
