package org.qcowfs.engine.layer;

import java.io.Closeable;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.model.ImageInfo;

/**
 * One image file of a chain, by itself.
 *
 * <p><b>Thread safety:</b> all methods but {@link #close()} may be called from any thread at once;
 * none holds a lock while it reads guest data.
 */
public interface Layer extends Closeable {
  /** The image file itself (not an external data file). */
  HostFile file();

  /** The guest disk's size in bytes. */
  long size();

  /** The layer below as this image records it, or null for none. */
  @Nullable BackingReference backing();

  /**
   * Says where the guest range at {@code guestOffset} lives.
   *
   * @param guestOffset first byte, 0 to {@link #size()} - 1
   * @param length bytes asked about, at least 1; may reach past the end of the disk, the answer
   *     does not
   * @param out receives the answer, which covers at least 1 and at most {@code length} bytes;
   *     neighbours of the same kind (for data: contiguous on the host) come as one answer as far as
   *     that costs no further metadata read where the metadata for exactly this offset contradicts
   *     the format or cannot be read, the answer is {@link Mapping.Kind#DAMAGED} for as much as
   *     that spoils
   */
  void map(long guestOffset, long length, Mapping out);

  /**
   * Reads from the compressed cluster a {@link Mapping.Kind#COMPRESSED} answer named.
   *
   * @param mapping the answer of {@link #map} for {@code guestOffset}
   * @throws ImageException kind {@code CORRUPT} if it does not decompress to a whole cluster
   */
  void readCompressed(Mapping mapping, long guestOffset, DataBuffer dst, int position, int length)
      throws ImageException;

  /** What {@code info} shows of this layer. */
  ImageInfo info() throws ImageException;

  @Override
  void close() throws ImageException;
}
