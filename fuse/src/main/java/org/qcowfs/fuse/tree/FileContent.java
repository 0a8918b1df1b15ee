package org.qcowfs.fuse.tree;

import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;

/**
 * The bytes of an open file.
 *
 * <p><b>Thread safety:</b> any number of threads at once.
 */
public interface FileContent {
  /** Length in bytes. */
  long size() throws ImageException;

  /**
   * Reads {@code length} bytes from {@code offset}, a range inside the file, into {@code dst} from
   * {@code position} on.
   */
  void read(long offset, DataBuffer dst, int position, int length) throws ImageException;

  /** The first data at or after {@code offset}, which is inside the file; -1 if there is none. */
  long nextData(long offset) throws ImageException;

  /** The first hole at or after {@code offset}, which is inside the file; its end counts as one. */
  long nextHole(long offset) throws ImageException;

  /** Makes what was written to the file, by whomever, durable. */
  default void flush() throws ImageException {}

  /**
   * Whether {@link #nextData} and {@link #nextHole} may wait for the kernel (see {@link
   * KernelCache}), so that a thread the kernel needs must not call them.
   */
  default boolean seekMayWait() {
    return false;
  }

  /** As {@link #seekMayWait}, of {@link #size} and {@link #read}. */
  default boolean readMayWait() {
    return false;
  }

  /** The file is no longer open; called once, last. */
  default void released() throws ImageException {}
}
