package org.qcowfs.engine.json;

import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.layer.Mapping;

/**
 * Walks the extents of a guest range in QEMU's terms, neighbours joined.
 *
 * <p><b>Thread safety:</b> one thread at a time.
 */
public final class MapWalk {
  private final Image image;
  private final long end;
  private final boolean[] raw;
  private final Mapping mapping = new Mapping();
  private long position;
  private @Nullable MapEntry pending;

  /** A stretch of a file that the host has nothing for, so that it is asked once. */
  private @Nullable HostFile holeFile;

  private long holeStart;
  private long holeEnd;

  /** Walks from {@code start} to the end of the disk. */
  public MapWalk(Image image, long start) throws ImageException {
    this(image, start, Long.MAX_VALUE);
  }

  /**
   * @param start first guest byte, at least 0
   * @param maxLength bytes to walk; the end of the disk also ends the walk
   */
  public MapWalk(Image image, long start, long maxLength) throws ImageException {
    this.image = image;
    this.position = start;
    this.end = Math.min(image.size(), maxLength > image.size() ? image.size() : start + maxLength);
    this.raw = new boolean[image.depth()];
    for (int depth = 0; depth < raw.length; depth++) {
      raw[depth] = image.info(depth).format().equals("raw");
    }
  }

  /** The next entry, or null at the end. */
  public @Nullable MapEntry next() throws ImageException {
    MapEntry entry = pending;
    pending = null;
    while (position < end) {
      MapEntry status = status();
      position += status.length();
      if (entry == null) {
        entry = status;
      } else if (entry.joins(status)) {
        entry = entry.extended(status.length());
      } else {
        pending = status;
        return entry;
      }
    }
    return entry;
  }

  private MapEntry status() throws ImageException {
    image.resolve(position, end - position, mapping);
    int depth = mapping.depth();
    switch (mapping.kind()) {
      case DATA:
        if (raw[depth]) {
          boolean hole = limitToHost();
          return entry(true, hole, !hole);
        }
        return entry(true, image.isPreallocated(depth) && limitToHost(), true);
      case COMPRESSED:
        return unlocated(null);
      case ZERO:
        return entry(true, true, false);
      case UNALLOCATED:
        return entry(false, true, false);
      case DAMAGED:
        return unlocated(mapping.damage());
    }
    throw new AssertionError(mapping.kind());
  }

  /**
   * Shortens the mapping to what the host has in one piece, hole or data.
   *
   * @return whether it is a hole; the end of the file counts as a hole without end
   */
  private boolean limitToHost() throws ImageException {
    HostFile file = mapping.dataFile();
    long host = mapping.hostOffset();
    if (file == holeFile && host >= holeStart && host < holeEnd) {
      mapping.limit(Math.min(mapping.length(), holeEnd - host));
      return true;
    }
    long length = file.length();
    long data = file.nextData(host);
    if (data == host && host < length) {
      mapping.limit(Math.max(1, file.nextHole(host) - host));
      return false;
    }
    holeFile = file;
    holeStart = host;
    holeEnd = data < length ? data : Long.MAX_VALUE;
    mapping.limit(Math.min(mapping.length(), holeEnd - host));
    return true;
  }

  /** Data that is not in a file as it is. */
  private MapEntry unlocated(@Nullable ImageException damage) {
    return new MapEntry(
        position,
        mapping.length(),
        mapping.depth(),
        true,
        false,
        true,
        Mapping.NO_OFFSET,
        "",
        damage);
  }

  private MapEntry entry(boolean present, boolean zero, boolean data) {
    HostFile file = mapping.file();
    boolean located = file != null && mapping.hasHostOffset();
    return new MapEntry(
        position,
        mapping.length(),
        mapping.depth(),
        present,
        zero,
        data,
        located ? mapping.hostOffset() : Mapping.NO_OFFSET,
        file != null && located ? file.path() : "",
        null);
  }
}
