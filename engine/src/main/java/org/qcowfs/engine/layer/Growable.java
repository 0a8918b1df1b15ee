package org.qcowfs.engine.layer;

import org.qcowfs.engine.error.ImageException;

/**
 * A writable layer whose disk can be made larger while it is in use.
 *
 * <p><b>Thread safety:</b> {@link #grow} may be called from any thread at once with everything
 * else, after {@link #allowGrowth}.
 */
public interface Growable {
  /** Says that {@link #grow} may come; before the layer is used by a second thread. */
  void allowGrowth();

  /**
   * Makes the disk at least {@code newSize} bytes long, durably; what appears reads as zeroes. Does
   * nothing if it is that long. Waits for the requests under way, and keeps new ones waiting.
   *
   * @param newSize in bytes, rounded up to what the format can have
   * @param backingSize size in bytes of the disk below, 0 for none
   * @throws ImageException if the format or the host does not allow it; the disk is as it was
   */
  void grow(long newSize, long backingSize) throws ImageException;
}
