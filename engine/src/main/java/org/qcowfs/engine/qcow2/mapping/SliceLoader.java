package org.qcowfs.engine.qcow2.mapping;

import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.qcow2.cache.MetadataCache;
import org.qcowfs.engine.qcow2.cache.Slice;

/** Where a {@link DiskTable} gets the slices of one of its tables from. */
public interface SliceLoader {
  /** The slice if it is at hand without I/O, else null. */
  @Nullable Slice cached(long index);

  /**
   * Reads a slice, and keeps it at hand.
   *
   * @param bytes its length, at most {@link MetadataCache#SLICE_BYTES}; the slice has fewer words
   *     where the file ends before it
   */
  Slice load(long index, long hostOffset, int bytes) throws ImageException;
}
