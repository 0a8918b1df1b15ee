package org.qcowfs.engine.change;

import java.io.Closeable;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.host.Reservation;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.model.Preallocation;
import org.qcowfs.engine.qcow2.change.Qcow2Resize;

/**
 * Gives a disk another size; what appears reads as zeroes.
 *
 * <pre>{@code
 * try (Resize disk = Resize.open("vm.qcow2", OpenOptions.readOnly())) {
 *   disk.to(disk.size() + (10L << 30), Preallocation.OFF);
 * }
 * }</pre>
 *
 * <p><b>Thread safety:</b> none. From {@link #open} to {@link #close} nobody else can change the
 * image.
 */
public final class Resize implements Closeable {
  private final Target target;
  private final long size;

  private Resize(Target target, long size) {
    this.target = target;
    this.size = size;
  }

  /**
   * Opens the image at {@code path} for writing, with QEMU's locks.
   *
   * @param options its format, or null to probe; the policy for its chain
   * @throws ImageException kind {@code IN_USE} if another process uses the image
   */
  public static Resize open(String path, OpenOptions options) throws ImageException {
    return open(path, options, HostFiles.POSIX);
  }

  /** As {@link #open(String, OpenOptions)}, on {@code files}. */
  public static Resize open(String path, OpenOptions options, HostFiles files)
      throws ImageException {
    Target target = Target.open(path, options, files);
    try (Image now = Images.open(path, target.reading(), files)) {
      return new Resize(target, now.size());
    } catch (ImageException | RuntimeException e) {
      target.close();
      throw e;
    }
  }

  /** The disk's size in bytes when it was opened, whole sectors of 512 as QEMU counts. */
  public long size() {
    return size + 511 & -512L;
  }

  /** The image's format, {@code qcow2} or {@code raw}. */
  public String format() {
    return target.format;
  }

  /**
   * Resizes the disk; the last thing done with this object.
   *
   * @param newSize in bytes; for qcow2 a multiple of 512
   * @param preallocation of what appears; {@link Preallocation#OFF} for shrinking
   * @throws ImageException kind {@code UNSUPPORTED} where the format forbids it; the image is then
   *     as it was
   */
  public void to(long newSize, Preallocation preallocation) throws ImageException {
    if (target.format.equals("raw")) {
      raw(target.file, newSize, preallocation);
    } else {
      qcow2(target, newSize, preallocation);
    }
  }

  @Override
  public void close() throws ImageException {
    target.close();
  }

  private static void qcow2(Target target, long size, Preallocation preallocation)
      throws ImageException {
    HostFile data = target.openDataFile();
    try (Image now = Images.open(target.file.path(), target.reading(), target.files)) {
      long backingSize = now.depth() > 1 ? now.layer(1).size() : 0;
      Qcow2Resize.resize(
          target.file, new Qcow2Resize.Request(size, preallocation, backingSize, now::read, data));
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
        throw new ImageException(ErrorKind.UNSUPPORTED, file.path(), "Cannot grow device files");
      }
      return;
    }
    if (old == 0 && preallocation == Preallocation.OFF) {
      Reservation.extendEmpty(file, size);
    } else if (size <= old || preallocation == Preallocation.OFF) {
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
