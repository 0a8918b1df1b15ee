package org.qcowfs.engine.convert;

import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.change.Progress;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.layer.Mapping;

/**
 * Gives out the stretches of two disks that must be read to be compared, in order, and keeps what
 * was found first: a difference, or a failure.
 *
 * <p><b>Thread safety:</b> safe.
 */
final class CompareWalk {
  private final Image one;
  private final Image other;
  private final long size;
  private final Progress progress;
  private final Mapping oneMapping = new Mapping();
  private final Mapping otherMapping = new Mapping();
  private long position;

  /** Up to here what the two hold must be read. */
  private long unlikeUntil;

  private long found = Long.MAX_VALUE;
  private @Nullable Throwable fault;

  CompareWalk(Image one, Image other, long from, Progress progress) {
    this.one = one;
    this.other = other;
    this.size = Math.max(one.size(), other.size());
    this.position = from;
    this.progress = progress;
  }

  /** Sets the next stretch; false at the end, or once something was found. */
  synchronized boolean next(Strip strip) {
    while (position < size && found == Long.MAX_VALUE) {
      progress.at(position, size);
      if (position >= unlikeUntil && !ask()) {
        continue;
      }
      long end = Math.min((position / Strip.BYTES + 1) * Strip.BYTES, unlikeUntil);
      strip.set(position, (int) (end - position));
      position = end;
      return true;
    }
    return false;
  }

  /** Asks what is there; false if that was skipped, or has failed. */
  private boolean ask() {
    try {
      long length = extent(one, position, size - position, oneMapping);
      length = extent(other, position, length, otherMapping);
      if (isZero(oneMapping) && isZero(otherMapping)
          || isSameData(oneMapping, otherMapping, length)) {
        position += length;
        return false;
      }
      unlikeUntil = position + length;
      return true;
    } catch (ImageException e) {
      found(position, e);
      return false;
    }
  }

  /** Asks what is at {@code at}; past the end of a disk there are zeroes. */
  private static long extent(Image image, long at, long length, Mapping out) throws ImageException {
    if (at >= image.size()) {
      out.setZero(length);
      return length;
    }
    image.extent(at, Math.min(length, image.size() - at), out);
    return out.length();
  }

  private static boolean isZero(Mapping mapping) {
    return mapping.kind() == Mapping.Kind.ZERO || mapping.kind() == Mapping.Kind.UNALLOCATED;
  }

  /** Whether both are the same bytes of the same file, as below overlays of one image. */
  private static boolean isSameData(Mapping one, Mapping other, long length) throws ImageException {
    if (one.kind() != Mapping.Kind.DATA || other.kind() != Mapping.Kind.DATA) {
      return false;
    }
    HostFile file = one.dataFile();
    return one.hostOffset() == other.hostOffset()
        && file.isSameFile(other.dataFile())
        && one.hostOffset() + length <= file.length();
  }

  /** Tells what was found at {@code at}: a failure, or with null a difference. */
  synchronized void found(long at, @Nullable Throwable failure) {
    if (at < found) {
      found = at;
      fault = failure;
    }
  }

  /** Where the first thing was found, or -1 if nothing was. */
  synchronized long found() {
    return found == Long.MAX_VALUE ? -1 : found;
  }

  /** The failure that was found first; null for a difference. */
  synchronized @Nullable Throwable fault() {
    return fault;
  }
}
