package org.qcowfs.engine;

import org.qcowfs.engine.chain.ChainOpener;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.model.OpenOptions;

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
}
