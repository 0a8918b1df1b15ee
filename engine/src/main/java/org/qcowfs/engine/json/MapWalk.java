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
  private final long[] sizes;
  private final boolean[] raw;
  private final Mapping mapping = new Mapping();
  private long position;
  private @Nullable MapEntry pending;

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
    this.sizes = new long[image.depth()];
    this.raw = new boolean[image.depth()];
    for (int depth = 0; depth < sizes.length; depth++) {
      sizes[depth] = image.info(depth).virtualSize();
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
        return raw[depth] ? rawStatus() : entry(depth, true, false, true);
      case COMPRESSED:
        return unlocated(null);
      case ZERO:
        return entry(depth, true, true, false);
      case UNALLOCATED:
        // Past the end of a shorter layer it is the layer above that decides.
        boolean past = position >= sizes[depth];
        return entry(past ? depth - 1 : depth, false, true, false);
      case DAMAGED:
        return unlocated(mapping.damage());
    }
    throw new AssertionError(mapping.kind());
  }

  /** A raw file has exactly what the host has of it. */
  private MapEntry rawStatus() throws ImageException {
    HostFile file = mapping.dataFile();
    long host = mapping.hostOffset();
    long data = file.nextData(host);
    boolean hole = data > host;
    mapping.limit((hole ? data : Math.max(host + 1, file.nextHole(host))) - host);
    return entry(mapping.depth(), true, hole, !hole);
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

  private MapEntry entry(int depth, boolean present, boolean zero, boolean data) {
    HostFile file = mapping.file();
    boolean located = file != null && mapping.hasHostOffset();
    return new MapEntry(
        position,
        mapping.length(),
        depth,
        present,
        zero,
        data,
        located ? mapping.hostOffset() : Mapping.NO_OFFSET,
        file != null && located ? file.path() : "",
        null);
  }
}
