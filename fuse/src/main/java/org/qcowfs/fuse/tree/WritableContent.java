package org.qcowfs.fuse.tree;

import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;

/**
 * The bytes of a file open for writing. Ranges lie inside the file.
 *
 * <p><b>Thread safety:</b> any number of threads at once.
 */
public interface WritableContent extends FileContent {
  /**
   * Writes {@code length} bytes of {@code src} from {@code position} on.
   *
   * @param durable whether it must be durable when this returns
   */
  void write(long offset, DataBuffer src, int position, int length, boolean durable)
      throws ImageException;

  /** Makes a range read as zeroes, at any alignment. */
  void zero(long offset, long length) throws ImageException;

  /** Reserves room for a range, whose bytes stay. */
  void allocate(long offset, long length) throws ImageException;

  /**
   * Makes the file at least {@code size} bytes long if it is one that grows; else does nothing.
   *
   * @throws ImageException if it cannot be that long; it is then as it was
   */
  default void growTo(long size) throws ImageException {}

  /** The kernel took a write past the end for its own, and with it another size. */
  void outgrown();
}
