package org.qcowfs.engine;

import org.qcowfs.engine.chain.ChainOpener;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.model.CreateOptions;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.qcow2.Qcow2Creator;

/** The first file to read: opens images. */
public final class Images {
  private Images() {}

  /**
   * Opens an image and, if asked to, the chain below it.
   *
   * @param path a regular file or block device
   * @throws ImageException with one line that says what is wrong; nothing stays open then
   */
  public static Image open(String path, OpenOptions options) throws ImageException {
    return open(path, options, HostFiles.POSIX);
  }

  /** As {@link #open(String, OpenOptions)}, with the files taken from {@code files}. */
  public static Image open(String path, OpenOptions options, HostFiles files)
      throws ImageException {
    return Image.over(ChainOpener.open(path, options, files));
  }

  /**
   * Opens the upper part of a chain to read it: what no layer of it has reads as zeroes.
   *
   * @param layers how many, at least 1
   */
  public static Image openUpper(String path, OpenOptions options, int layers, HostFiles files)
      throws ImageException {
    return Image.over(ChainOpener.open(path, options.withWritable(false), layers, files));
  }

  /**
   * Creates an empty qcow2 image.
   *
   * @param path where; nothing may be there yet
   * @throws ImageException kind {@code UNSUPPORTED} for options that do not go together, {@code IO}
   *     with errno {@code EEXIST} if the file exists; no file is left behind then
   */
  public static void create(String path, CreateOptions options) throws ImageException {
    Qcow2Creator.validate(path, options);
    HostFile file = HostFiles.POSIX.createNew(path);
    boolean created = false;
    try {
      Qcow2Creator.create(file, options);
      created = true;
    } finally {
      file.close();
      if (!created) {
        HostFiles.POSIX.delete(path);
      }
    }
  }
}
