package org.qcowfs.engine.layer;

import org.qcowfs.engine.host.DataBuffer;

/**
 * Compresses what {@link Compressing} stores, in one compression type of its format.
 *
 * <p><b>Thread safety:</b> one thread at a time.
 */
public interface Compressor extends AutoCloseable {
  /**
   * Compresses {@code length} bytes.
   *
   * @return the bytes written to {@code dst} from {@code dstPosition} on, or -1 if they are more
   *     than {@code room}
   */
  int compress(DataBuffer src, int position, int length, DataBuffer dst, int dstPosition, int room);

  @Override
  void close();
}
