package org.qcowfs.engine.qcow2.refcount;

import java.nio.ByteBuffer;

/** A piece of a refcount block: at most 4 KiB, as stored. */
final class BlockSlice {
  /** Its number: host cluster of its first count divided by the counts of a slice. */
  final long index;

  final long hostOffset;
  final byte[] array;

  /** A view of {@link #array}. */
  final ByteBuffer bytes;

  boolean dirty;

  BlockSlice(long index, long hostOffset, byte[] array) {
    this.index = index;
    this.hostOffset = hostOffset;
    this.array = array;
    this.bytes = ByteBuffer.wrap(array);
  }
}
