package org.qcowfs.engine.change;

import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.model.Preallocation;
import org.qcowfs.engine.qcow2.change.Qcow2Resize;

/** Gives a disk another size; what appears reads as zeroes. */
public final class Resize {
  private Resize() {}

  /**
   * Resizes the image at {@code path}.
   *
   * @param options its format, or null to probe; the policy for its chain
   * @param size the new size in bytes
   * @param preallocation of what appears; {@link Preallocation#OFF} for shrinking
   * @throws ImageException kind {@code UNSUPPORTED} where the format forbids it, {@code IN_USE} if
   *     another process uses the image; the image is then as it was
   */
  public static void run(String path, OpenOptions options, long size, Preallocation preallocation)
      throws ImageException {
    run(path, options, size, preallocation, HostFiles.POSIX);
  }

  /** As {@link #run(String, OpenOptions, long, Preallocation)}, on {@code files}. */
  public static void run(
      String path,
      OpenOptions options,
      long size,
      Preallocation preallocation,
      HostFiles files)
      throws ImageException {
    try (Target target = Target.open(path, options, files)) {
      if (target.format.equals("raw")) {
        raw(target.file, size, preallocation);
      } else {
        qcow2(target, size, preallocation);
      }
    }
  }

  private static void qcow2(Target target, long size, Preallocation preallocation)
      throws ImageException {
    HostFile data = target.openDataFile();
    try (Image now = Images.open(target.file.path(), target.reading(), target.files)) {
      long backingSize = now.depth() > 1 ? now.layer(1).size() : 0;
      Qcow2Resize.resize(
          target.file,
          new Qcow2Resize.Request(size, preallocation, backingSize, now::read, data));
    } finally {
      if (data != null) {
        data.close();
      }
    }
  }

  private static void raw(HostFile file, long size, Preallocation preallocation)
      throws ImageException {
    long old = file.length();
    if (preallocation == Preallocation.METADATA) {
      throw new ImageException(
          ErrorKind.UNSUPPORTED, file.path(), "Unsupported preallocation mode: metadata");
    }
    if (!file.resizable()) {
      if (size > old) {
        throw new ImageException(
            ErrorKind.UNSUPPORTED, file.path(), "Cannot grow device files");
      }
      return;
    }
    if (size <= old || preallocation == Preallocation.OFF) {
      file.truncate(size);
    } else {
      boolean done = false;
      try {
        reserve(file, old, size - old, preallocation);
        done = true;
      } finally {
        if (!done) {
          file.truncate(old);
        }
      }
    }
    file.sync();
  }

  private static void reserve(HostFile file, long from, long length, Preallocation preallocation)
      throws ImageException {
    if (preallocation == Preallocation.FALLOC) {
      file.allocate(from, length);
      return;
    }
    DataBuffer zeroes = DataBuffer.allocate((int) Math.min(length, 1 << 20));
    for (long done = 0; done < length; done += zeroes.capacity()) {
      file.write(from + done, zeroes, 0, (int) Math.min(length - done, zeroes.capacity()));
    }
  }
}
