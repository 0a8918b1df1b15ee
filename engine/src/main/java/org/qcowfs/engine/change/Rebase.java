package org.qcowfs.engine.change;

import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.chain.BackingPath;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.host.Zeroes;
import org.qcowfs.engine.layer.Mapping;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.qcow2.change.Qcow2Backing;
import org.qcowfs.engine.qcow2.format.FormatLimits;

/**
 * Gives an overlay another backing file.
 *
 * <p>The safe way keeps the disk as it is: where the new backing file differs from the old one, the
 * old bytes are written into the overlay first. At every instant the overlay shows the same disk.
 */
public final class Rebase {
  private static final int PIECE = 1 << 20;

  /** What is compared and written at once: no cluster or subcluster is larger than needed. */
  private static final int GRAIN = 4096;

  /**
   * What to do.
   *
   * @param backing the new backing file's name as it is to be recorded; empty for none
   * @param format its format; null only with no backing file
   * @param unsafe whether only the name and format are changed, and no other file is looked at
   */
  public record Request(String backing, @Nullable String format, boolean unsafe) {}

  private final Progress progress;
  private final DataBuffer before = DataBuffer.allocate(PIECE);
  private final DataBuffer after = DataBuffer.allocate(PIECE);

  private long clusterSize = 1;

  private Rebase(Progress progress) {
    this.progress = progress;
  }

  /**
   * Rebases the overlay at {@code path}.
   *
   * @param options its format, or null to probe; the policy for its chain
   * @throws ImageException kind {@code UNSUPPORTED} for a format without backing files; the overlay
   *     then shows the disk as before, over the old backing file
   */
  public static void run(String path, OpenOptions options, Request request, Progress progress)
      throws ImageException {
    run(path, options, request, progress, HostFiles.POSIX);
  }

  /** As {@link #run(String, OpenOptions, Request, Progress)}, on {@code files}. */
  public static void run(
      String path, OpenOptions options, Request request, Progress progress, HostFiles files)
      throws ImageException {
    if (!request.unsafe) {
      new Rebase(progress).safely(path, options, request, files);
      return;
    }
    try (Target target = Target.open(path, options, files)) {
      requireBacking(target.format, path, request);
      Qcow2Backing.set(target.file, request.backing, request.format);
    }
  }

  private static void requireBacking(String format, String path, Request request)
      throws ImageException {
    if (!format.equals("qcow2")) {
      throw refused(path, request, "Operation not supported");
    }
    if (!request.backing.isEmpty() && (request.format == null || request.format.isEmpty())) {
      throw refused(path, request, "backing format must be specified");
    }
    if (request.backing.getBytes(StandardCharsets.UTF_8).length
        > FormatLimits.MAX_BACKING_NAME_BYTES) {
      throw refused(path, request, "Invalid argument");
    }
  }

  private static ImageException refused(String path, Request request, String why) {
    return new ImageException(
        ErrorKind.UNSUPPORTED,
        path,
        "Could not change the backing file to '" + Escape.text(request.backing) + "': " + why);
  }

  private void safely(String path, OpenOptions options, Request request, HostFiles files)
      throws ImageException {
    try (Image overlay = Images.open(path, options.withWritable(true), files)) {
      requireBacking(overlay.info().format(), path, request);
      clusterSize = overlay.info().clusterSize();
      int common = request.backing.isEmpty() ? -1 : Chains.find(overlay, request.backing);
      try (Image next = openNew(path, options, request, files)) {
        copy(overlay, next, common < 0 ? Integer.MAX_VALUE : common);
      }
      // The same open file: nobody can come between.
      Qcow2Backing.set(overlay.endWrites(), request.backing, request.format);
    }
  }

  private static @Nullable Image openNew(
      String path, OpenOptions options, Request request, HostFiles files) throws ImageException {
    if (request.backing.isEmpty()) {
      return null;
    }
    String where =
        BackingPath.resolve(path, request.backing, "backing file", options.backingPolicy());
    try {
      return Images.open(where, options.withFormat(request.format).withWritable(false), files);
    } catch (ImageException e) {
      throw new ImageException(
          e.kind(),
          path,
          "Could not open new backing file '" + Escape.text(request.backing) + "': " + e.detail(),
          e.errno(),
          e);
    }
  }

  /**
   * Writes into the overlay what the new backing file does not have.
   *
   * @param common the depth from which on the old chain is the new one
   */
  private void copy(Image overlay, @Nullable Image next, int common) throws ImageException {
    long size = overlay.size();
    long total = Math.max(1, size);
    Mapping mapping = new Mapping();
    progress.at(0, total);
    for (long at = 0; at < size; at += mapping.length()) {
      overlay.extent(at, size - at, mapping);
      boolean empty = mapping.kind() == Mapping.Kind.UNALLOCATED;
      boolean own = mapping.depth() == 0 && !empty;
      if (!own && (empty || mapping.depth() < common)) {
        boolean zero = empty || mapping.kind() == Mapping.Kind.ZERO;
        mapping.limit(compare(overlay, next, at, mapping.length(), zero));
      }
      progress.at(at + mapping.length(), total);
    }
    progress.at(total, total);
  }

  /**
   * Compares a range that the overlay itself does not have, and writes what differs.
   *
   * @param zero whether it reads as zeroes
   * @return bytes done
   */
  private long compare(Image overlay, @Nullable Image next, long at, long length, boolean zero)
      throws ImageException {
    long inNext = next == null ? 0 : Math.max(0, Math.min(length, next.size() - at));
    if (zero) {
      if (inNext == 0) {
        return length;
      }
      Mapping there = new Mapping();
      next(next).extent(at, inNext, there);
      // In whole clusters of the overlay, which then need no data.
      long end = at + there.length();
      if (there.kind() == Mapping.Kind.ZERO || there.kind() == Mapping.Kind.UNALLOCATED) {
        long skipTo = end == at + inNext ? end : end / clusterSize * clusterSize;
        if (skipTo > at) {
          return skipTo - at;
        }
      }
      length = Math.min(length, (end + clusterSize - 1) / clusterSize * clusterSize - at);
      long most = clusterSize > PIECE ? PIECE : PIECE - at % clusterSize;
      return hide(overlay, next(next), at, (int) Math.min(length, most));
    }
    int piece = (int) Math.min(length, PIECE);
    overlay.read(at, before, 0, piece);
    int present = (int) Math.min(piece, inNext);
    if (present > 0) {
      next(next).read(at, after, 0, present);
    }
    after.zero(present, piece - present);
    write(overlay, at, piece);
    return piece;
  }

  /**
   * Hides what the new backing file has where the disk reads as zeroes: by whole clusters, which
   * needs no data.
   *
   * @return bytes done
   */
  private int hide(Image overlay, Image next, long at, int length) throws ImageException {
    int present = (int) Math.min(length, next.size() - at);
    next.read(at, after, 0, present);
    after.zero(present, length - present);
    for (int from = 0; from < length; ) {
      int unit = (int) Math.min(length - from, clusterSize - (at + from) % clusterSize);
      if (Zeroes.isZero(after, from, unit)) {
        from += unit;
        continue;
      }
      int to = from + unit;
      while (to < length) {
        int more = (int) Math.min(length - to, clusterSize);
        if (Zeroes.isZero(after, to, more)) {
          break;
        }
        to += more;
      }
      overlay.zeroHere(at + from, to - from);
      from = to;
    }
    return length;
  }

  private static Image next(@Nullable Image next) {
    if (next == null) {
      throw new IllegalStateException("no new backing file");
    }
    return next;
  }

  private boolean same(int position, int length) {
    return before.bytes().slice(position, length).equals(after.bytes().slice(position, length));
  }

  /** Writes the stretches of {@code before} that differ from {@code after}. */
  private void write(Image overlay, long at, int length) throws ImageException {
    for (int from = 0; from < length; ) {
      int grain = Math.min(GRAIN, length - from);
      if (same(from, grain)) {
        from += grain;
        continue;
      }
      int to = from + grain;
      while (to < length) {
        int more = Math.min(GRAIN, length - to);
        if (same(to, more)) {
          break;
        }
        to += more;
      }
      overlay.write(at + from, before, from, to - from);
      from = to;
    }
  }
}
