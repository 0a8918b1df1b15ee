package org.qcowfs.engine.layer;

import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;

/** A layer that can store clusters compressed. */
public interface Compressing {
  /** Bytes that are compressed together; {@link #writeCompressed} wants multiples of it. */
  int compressedUnit();

  /** Something that compresses what {@link #writeCompressed} takes; one for each thread. */
  Compressor newCompressor();

  /**
   * Stores one compressed unit.
   *
   * @param guestOffset a multiple of {@link #compressedUnit}
   * @param src holds what a {@link #newCompressor compressor} made of the unit, with zeroes for
   *     what lies past the end of the disk
   * @param length fewer bytes than the unit has
   * @throws ImageException as {@link WritableLayer#write}
   */
  void writeCompressed(long guestOffset, DataBuffer src, int position, int length)
      throws ImageException;
}
