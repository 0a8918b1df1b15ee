package org.qcowfs.engine.layer;

import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;

/** A top layer that takes over what the layers below it hold, without changing what is read. */
public interface CopyUp {
  /** Bytes of which the layer has either all or nothing, a power of two. */
  int copyUnit();

  /**
   * Stores what the layers below read as, where this layer still has nothing. What it has by now
   * stays as it is: bytes that a guest wrote since the layers below were read are never replaced.
   *
   * @param guestOffset a multiple of {@link #copyUnit}
   * @param src holds what the layers below read as from {@code guestOffset} on; units that are all
   *     zero are stored as such, without data
   * @param length a multiple of {@link #copyUnit}, or up to the end of the disk
   * @throws ImageException as {@link WritableLayer#write}, and kind {@code NO_SPACE} while there is
   *     still room for what guests write; what is read is then the same as before
   */
  void copyUp(long guestOffset, DataBuffer src, int position, int length) throws ImageException;
}
