package org.qcowfs.engine.host;

import java.util.function.Consumer;
import org.qcowfs.engine.error.ImageException;

/**
 * Where files are opened: the host itself, or a test's own.
 *
 * <p><b>Thread safety:</b> safe.
 */
public interface HostFiles {
  /** The real host. */
  HostFiles POSIX = new PosixHostFiles();

  /**
   * Opens an existing regular file or block device.
   *
   * @throws ImageException kind {@code IO} with the errno, or {@code REFUSED} for another type
   */
  HostFile open(String path, boolean writable) throws ImageException;

  /**
   * Creates a regular file that must not exist yet, open for writing.
   *
   * @throws ImageException kind {@code IO}; errno {@code EEXIST} if it does
   */
  HostFile createNew(String path) throws ImageException;

  /** Names the file behind {@code file}, equal for two opens of the same one. */
  Object identity(HostFile file) throws ImageException;

  /**
   * Takes QEMU's locks on an open file; see {@link ImageLock}.
   *
   * @throws ImageException kind {@code IN_USE} if another process stands against it
   */
  void lock(HostFile file, boolean forceShare, Consumer<String> warnings) throws ImageException;
}
