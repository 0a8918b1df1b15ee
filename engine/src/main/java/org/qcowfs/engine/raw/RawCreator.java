package org.qcowfs.engine.raw;

import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.Reservation;
import org.qcowfs.engine.model.Preallocation;

/** Makes an empty raw image. */
public final class RawCreator {
  private RawCreator() {}

  /**
   * Makes {@code file}, which is empty, {@code size} bytes long.
   *
   * @throws ImageException kind {@code UNSUPPORTED} for {@link Preallocation#METADATA}, and where a
   *     block device is smaller
   */
  public static void create(HostFile file, long size, Preallocation preallocation)
      throws ImageException {
    validate(file.path(), preallocation);
    if (file.resizable()) {
      Reservation.extendEmpty(file, size);
    } else if (file.length() < size) {
      throw new ImageException(
          ErrorKind.UNSUPPORTED, file.path(), "Device is too small: " + file.length() + " bytes");
    }
    if (size > 0) {
      Reservation.make(file, 0, size, preallocation);
    }
  }

  /** Judges the options without a file. */
  public static void validate(String path, Preallocation preallocation) throws ImageException {
    if (preallocation == Preallocation.METADATA) {
      throw new ImageException(
          ErrorKind.UNSUPPORTED, path, "Unsupported preallocation mode: metadata");
    }
  }
}
