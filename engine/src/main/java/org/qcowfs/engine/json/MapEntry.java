package org.qcowfs.engine.json;

import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.layer.Mapping;

/**
 * One line of {@code map}.
 *
 * @param start guest offset in bytes
 * @param length bytes
 * @param depth the layer that decides, 0 is the top
 * @param present whether that layer has the range at all
 * @param zero whether it reads as zeroes
 * @param data whether bytes are stored for it
 * @param offset host offset of the first byte, {@link Mapping#NO_OFFSET} where there is none
 * @param file path of the file {@code offset} is in, empty where there is none
 * @param damage why the range cannot be read, or null for a sound one
 */
public record MapEntry(
    long start,
    long length,
    int depth,
    boolean present,
    boolean zero,
    boolean data,
    long offset,
    String file,
    @Nullable ImageException damage) {

  /** Whether there is an {@link #offset()}. */
  public boolean hasOffset() {
    return offset != Mapping.NO_OFFSET;
  }

  /** Whether {@code next} continues this entry: the same in all but where it starts. */
  boolean joins(MapEntry next) {
    return zero == next.zero
        && data == next.data
        && present == next.present
        && depth == next.depth
        && hasOffset() == next.hasOffset()
        && (!hasOffset() || offset + length == next.offset)
        && file.equals(next.file)
        && damage == null
        && next.damage == null;
  }

  MapEntry extended(long bytes) {
    return new MapEntry(start, length + bytes, depth, present, zero, data, offset, file, damage);
  }
}
