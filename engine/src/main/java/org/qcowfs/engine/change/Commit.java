package org.qcowfs.engine.change;

import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.model.Preallocation;
import org.qcowfs.engine.qcow2.change.Qcow2Empty;

/**
 * Writes what an overlay has into an image below it.
 *
 * <p>The overlay shows the same disk at every instant: it is emptied only after everything it had
 * is durable below.
 */
public final class Commit {
  /**
   * What to do.
   *
   * @param base the image to write into, by name or path, or null for the backing file itself; all
   *     images between it and the overlay become invalid, and the overlay is then kept as it is
   * @param keep whether the overlay is left as it is, not emptied
   * @param bytesPerSecond the most to copy in a second, or 0 for no limit
   */
  public record Request(@Nullable String base, boolean keep, long bytesPerSecond) {}

  private final Request request;
  private final Progress progress;

  private Commit(Request request, Progress progress) {
    this.request = request;
    this.progress = progress;
  }

  /**
   * Commits the overlay at {@code path}.
   *
   * @param options its format, or null to probe; the policy for its chain
   * @throws ImageException kind {@code OUT_OF_BOUNDS} if there is no such base; otherwise the base
   *     may have some of the data, and the overlay shows the disk as before
   */
  public static void run(String path, OpenOptions options, Request request, Progress progress)
      throws ImageException {
    run(path, options, request, progress, HostFiles.POSIX);
  }

  /** As {@link #run(String, OpenOptions, Request, Progress)}, on {@code files}. */
  public static void run(
      String path, OpenOptions options, Request request, Progress progress, HostFiles files)
      throws ImageException {
    try (Target top = Target.open(path, options, files)) {
      new Commit(request, progress).run(top);
      if (request.base == null && !request.keep) {
        Qcow2Empty.empty(top.file);
      }
    }
  }

  private void run(Target top) throws ImageException {
    int depth;
    String basePath;
    String baseFormat;
    long baseSize;
    long size;
    try (Image chain = Images.open(top.file.path(), top.reading(), top.files)) {
      depth = baseDepth(chain);
      basePath = chain.path(depth);
      baseFormat = chain.info(depth).format();
      baseSize = chain.layer(depth).size();
      size = chain.size();
    }
    OpenOptions writing = top.options.withFormat(baseFormat).withWritable(true);
    if (baseSize < size) {
      try (Resize resize = Resize.open(basePath, writing, top.files)) {
        resize.to(size, Preallocation.OFF);
      }
    }
    try (Image above = Images.openUpper(top.file.path(), top.reading(), depth, top.files);
        Image base = Images.open(basePath, writing, top.files)) {
      new CommitCopy(above, base, request.bytesPerSecond, progress).run();
      base.flush();
    }
  }

  private int baseDepth(Image chain) throws ImageException {
    String base = request.base;
    if (base == null) {
      if (chain.depth() < 2) {
        throw new ImageException(
            ErrorKind.OUT_OF_BOUNDS, chain.path(0), "Image does not have a backing file");
      }
      return 1;
    }
    int depth = Chains.find(chain, base);
    if (depth < 0) {
      throw new ImageException(
          ErrorKind.OUT_OF_BOUNDS,
          chain.path(0),
          "Did not find '"
              + Escape.text(base)
              + "' in the backing chain of '"
              + Escape.text(chain.path(0))
              + "'");
    }
    return depth;
  }
}
