package org.qcowfs.engine.change;

import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.model.Preallocation;
import org.qcowfs.engine.qcow2.Qcow2Opener;
import org.qcowfs.engine.qcow2.change.Qcow2Amend;
import org.qcowfs.engine.qcow2.format.Header;

/** Changes features of an existing qcow2 image; what is null stays. */
public final class Amend {
  private Amend() {}

  /**
   * What is to be.
   *
   * @param version 2 or 3
   * @param refcountBits a power of two, 1 to 64
   * @param lazyRefcounts whether lazy refcounts are allowed
   * @param dataFile the data file's name as it is to be recorded
   * @param dataFileRaw whether the data file stays valid as a raw image
   * @param size of the disk in bytes
   */
  public record Request(
      @Nullable Integer version,
      @Nullable Integer refcountBits,
      @Nullable Boolean lazyRefcounts,
      @Nullable String dataFile,
      @Nullable Boolean dataFileRaw,
      @Nullable Long size) {}

  /**
   * Amends the image at {@code path}, step by step; each step is done or not done after a crash.
   *
   * @param options its format, or null to probe; the policy for its chain
   * @throws ImageException kind {@code UNSUPPORTED} for what does not go together; steps before the
   *     failing one stay
   */
  public static void run(String path, OpenOptions options, Request request, Progress progress)
      throws ImageException {
    run(path, options, request, progress, HostFiles.POSIX);
  }

  /** As {@link #run(String, OpenOptions, Request, Progress)}, on {@code files}. */
  public static void run(
      String path, OpenOptions options, Request request, Progress progress, HostFiles files)
      throws ImageException {
    progress.at(0, 4);
    try (Target target = Target.open(path, options, files)) {
      if (!target.format.equals("qcow2")) {
        throw unsupported(
            path, "Format driver '" + target.format + "' does not support option amendment");
      }
      Header header = Qcow2Opener.readHeader(target.file);
      check(path, header, request);
      Integer version = request.version;
      if (version != null && version > header.version()) {
        Qcow2Amend.upgrade(target.file);
      }
      progress.at(1, 4);
      Integer bits = request.refcountBits;
      if (bits != null) {
        Qcow2Amend.refcountOrder(target.file, Integer.numberOfTrailingZeros(bits));
      }
      progress.at(2, 4);
      Boolean raw = request.dataFileRaw;
      if (request.dataFile != null || raw != null && raw != header.dataFileRaw()) {
        Qcow2Amend.dataFile(
            target.file, request.dataFile, raw == null ? header.dataFileRaw() : raw);
      }
      Boolean lazy = request.lazyRefcounts;
      if (lazy != null && lazy != header.lazyRefcounts()) {
        Qcow2Amend.lazyRefcounts(target.file, lazy);
      }
    }
    Long size = request.size;
    if (size != null) {
      try (Resize resize = Resize.open(path, options, files)) {
        resize.to(size, Preallocation.OFF);
      }
    }
    progress.at(3, 4);
    if (request.version != null && request.version == 2) {
      try (Target target = Target.open(path, options, files)) {
        if (Qcow2Opener.readHeader(target.file).version() > 2) {
          Qcow2Amend.downgrade(target.file);
        }
      }
    }
    progress.at(4, 4);
  }

  private static void check(String path, Header header, Request request) throws ImageException {
    int version = request.version == null ? header.version() : request.version;
    Integer bits = request.refcountBits;
    if (bits != null && (Integer.bitCount(bits) != 1 || bits < 1 || bits > 64)) {
      throw unsupported(path, "Refcount width must be a power of two and may not exceed 64 bits");
    }
    if (bits != null && bits != 16 && version < 3) {
      throw unsupported(
          path,
          "Refcount widths other than 16 bits require compatibility level 1.1 or above (use"
              + " compat=1.1 or greater)");
    }
    if (bits == null && version < 3 && header.refcountOrder() != 4) {
      throw unsupported(path, "compat=0.10 requires refcount_bits=16");
    }
    Boolean lazy = request.lazyRefcounts;
    if (lazy != null && lazy && !header.lazyRefcounts() && version < 3) {
      throw unsupported(
          path,
          "Lazy refcounts only supported with compatibility level 1.1 and above (use compat=1.1 or"
              + " greater)");
    }
  }

  private static ImageException unsupported(String path, String detail) {
    return new ImageException(ErrorKind.UNSUPPORTED, path, detail);
  }
}
