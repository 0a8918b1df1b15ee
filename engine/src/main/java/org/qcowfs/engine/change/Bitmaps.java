package org.qcowfs.engine.change;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.model.Qcow2Info.BitmapInfo;
import org.qcowfs.engine.qcow2.change.BitmapBits;
import org.qcowfs.engine.qcow2.change.BitmapChange;

/** Changes the persistent bitmaps of an image. */
public final class Bitmaps {
  private Bitmaps() {}

  /** What is done to a bitmap. */
  public enum Kind {
    ADD,
    REMOVE,
    CLEAR,
    ENABLE,
    DISABLE,
    MERGE
  }

  /**
   * One action.
   *
   * @param source for a merge, the bitmap whose bits are added
   */
  public record Action(Kind kind, @Nullable String source) {}

  /**
   * What to do.
   *
   * @param bitmap the bitmap that is changed
   * @param actions in order
   * @param granularity bytes a bit of an added bitmap stands for: a power of two, 512 to 2 GiB; 0
   *     for the cluster size, but at least 4 KiB and at most 64 KiB
   * @param sourceFile the image that a merge reads from, or null for the same one
   * @param sourceFormat its format, or null to probe
   */
  public record Request(
      String bitmap,
      List<Action> actions,
      long granularity,
      @Nullable String sourceFile,
      @Nullable String sourceFormat) {}

  /**
   * Does the actions on the image at {@code path}. Those before one that fails take effect.
   *
   * @throws ImageException whose detail says which action failed
   */
  public static void run(String path, OpenOptions options, Request request) throws ImageException {
    run(path, options, request, HostFiles.POSIX);
  }

  /** As {@link #run(String, OpenOptions, Request)}, on {@code files}. */
  public static void run(String path, OpenOptions options, Request request, HostFiles files)
      throws ImageException {
    try (Target target = Target.open(path, options, files);
        Target source = openSource(request, options, files)) {
      if (!target.format.equals("qcow2")) {
        throw failed(
            request.actions.get(0),
            request,
            new ImageException(
                ErrorKind.UNSUPPORTED,
                path,
                "Can't store persistent bitmaps to "
                    + Escape.text(path)
                    + ": Operation not supported"));
      }
      BitmapChange change = BitmapChange.begin(target.file);
      ImageException failure = null;
      for (Action action : request.actions) {
        try {
          apply(change, action, request, source == null ? null : source.file);
        } catch (ImageException e) {
          failure = failed(action, request, e);
          if (e.errno() != 0) {
            change.abandon(e); // the host's failure, not the action's
            throw failure;
          }
          break;
        }
      }
      change.finish();
      if (failure != null) {
        throw failure;
      }
    }
  }

  /**
   * Copies bitmaps of one image into another, all of them or none; there they are fitted to the
   * size of its disk.
   *
   * @param target the image that gets them, with its options
   * @param source the image that has them, with its options
   * @param bitmaps which, in the order in which they will be listed
   * @throws ImageException whose detail says which bitmap could not be made
   */
  public static void copy(
      String target,
      OpenOptions options,
      String source,
      OpenOptions sourceOptions,
      List<BitmapInfo> bitmaps,
      HostFiles files)
      throws ImageException {
    try (Target to = Target.open(target, options, files);
        Target from = Target.openToRead(source, sourceOptions, files)) {
      BitmapChange change = BitmapChange.begin(to.file);
      for (BitmapInfo bitmap : bitmaps) {
        try {
          change.copy(bitmap, BitmapChange.read(from.file, bitmap.name()));
        } catch (ImageException e) {
          change.abandon(e);
          throw new ImageException(
              e.kind(),
              e.file(),
              "Failed to create bitmap " + Escape.text(bitmap.name()) + ": " + e.detail(),
              e.errno(),
              e);
        }
      }
      change.finish();
    }
  }

  private static @Nullable Target openSource(Request request, OpenOptions options, HostFiles files)
      throws ImageException {
    String path = request.sourceFile;
    return path == null
        ? null
        : Target.openToRead(path, options.withFormat(request.sourceFormat), files);
  }

  private static void apply(
      BitmapChange change, Action action, Request request, @Nullable HostFile source)
      throws ImageException {
    String name = request.bitmap;
    switch (action.kind) {
      case ADD -> change.add(name, granularityBits(change, request));
      case REMOVE -> change.remove(name);
      case CLEAR -> change.clear(name);
      case ENABLE -> change.record(name, true);
      case DISABLE -> change.record(name, false);
      case MERGE -> {
        String from = String.valueOf(action.source);
        if (source == null) {
          change.merge(name, from);
        } else {
          BitmapBits bits = BitmapChange.read(source, from);
          change.merge(name, bits);
        }
      }
    }
  }

  private static int granularityBits(BitmapChange change, Request request) throws ImageException {
    long granularity = request.granularity;
    if (granularity == 0) {
      return change.defaultGranularityBits();
    }
    if (Long.bitCount(granularity) != 1 || granularity < 512 || granularity > 1L << 31) {
      throw new ImageException(
          ErrorKind.OUT_OF_BOUNDS,
          request.bitmap,
          "Granularity must be power of 2 and at least 512");
    }
    return Long.numberOfTrailingZeros(granularity);
  }

  private static ImageException failed(Action action, Request request, ImageException cause) {
    return new ImageException(
        cause.kind(),
        cause.file(),
        "Operation "
            + action.kind.name().toLowerCase(java.util.Locale.ROOT)
            + " on bitmap "
            + Escape.text(request.bitmap)
            + " failed: "
            + cause.detail(),
        cause.errno(),
        cause);
  }
}
