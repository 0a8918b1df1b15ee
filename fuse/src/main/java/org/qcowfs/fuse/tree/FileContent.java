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
  long size();

  /**
   * Reads {@code length} bytes from {@code offset}, a range inside the file, into {@code dst} from
   * {@code position} on.
   */
  void read(long offset, DataBuffer dst, int position, int length) throws ImageException;

  /** The first data at or after {@code offset}, which is inside the file; -1 if there is none. */
  long nextData(long offset) throws ImageException;

  /** The first hole at or after {@code offset}, which is inside the file; its end counts as one. */
  long nextHole(long offset) throws ImageException;
}
