package org.qcowfs.engine.change;

import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.chain.BackingPath;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.model.Qcow2Info;
import org.qcowfs.engine.qcow2.Qcow2Opener;
import org.qcowfs.engine.qcow2.change.Qcow2Backing;
import org.qcowfs.engine.qcow2.format.FormatLimits;

/**
 * Gives an overlay another backing file.
 *
 * <p>The safe way keeps the disk as it is: where the new backing file differs from the old one, the
 * old bytes are written into the overlay first. At every instant the overlay shows the same disk.
 */
public final class Rebase {
  /**
   * What to do.
   *
   * @param backing the new backing file's name as it is to be recorded; empty for none
   * @param format its format; null only with no backing file
   * @param unsafe whether only the name and format are changed, and no other file is looked at
   */
  public record Request(String backing, @Nullable String format, boolean unsafe) {}

  private final Progress progress;

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
      requireUnmarkedData(Qcow2Opener.readHeader(target.file).dataFileRaw(), path, request);
      name(target.file, request);
    }
  }

  private static void name(HostFile file, Request request) throws ImageException {
    try {
      Qcow2Backing.set(file, request.backing, request.format);
    } catch (ImageException e) {
      if (e.kind() == ErrorKind.NO_SPACE && e.errno() == 0) {
        throw refused(file.path(), request, "No space left in the file header");
      }
      throw e;
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

  /** A data file that is to show the disk by itself cannot leave parts of it to a backing file. */
  private static void requireUnmarkedData(boolean dataFileRaw, String path, Request request)
      throws ImageException {
    if (dataFileRaw && !request.backing.isEmpty()) {
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
      Qcow2Info qcow2 = overlay.info().qcow2();
      requireUnmarkedData(qcow2 != null && qcow2.dataFileRaw(), path, request);
      try (Image next = openNew(path, options, request, files)) {
        int shared = next == null ? -1 : Chains.shared(overlay, next.path(0), next.info().format());
        new RebaseCopy(overlay, next, shared < 0 ? Integer.MAX_VALUE : shared, progress).run();
      }
      // The same open file: nobody can come between.
      name(overlay.endWrites(), request);
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
}
