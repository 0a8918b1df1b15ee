package org.qcowfs.engine.host;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.posix.Errno;

/**
 * Where files are opened: the host itself, or a test's own.
 *
 * <p><b>Thread safety:</b> safe.
 */
public interface HostFiles {
  /** The real host. */
  HostFiles POSIX = new PosixHostFiles(true, null);

  /** The real host, where a sync does nothing: after a crash of the machine all may be lost. */
  HostFiles POSIX_UNSAFE = new PosixHostFiles(false, null);

  /**
   * The real host; the file at {@code path} is used without locks. The caller knows that nobody
   * else writes it.
   */
  static HostFiles unlocked(String path) {
    return new PosixHostFiles(true, path);
  }

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

  /**
   * Opens a regular file or block device for writing; creates a regular file where there is none.
   *
   * @throws ImageException kind {@code IO} with the errno, or {@code REFUSED} for another type
   */
  default HostFile openOrCreate(String path) throws ImageException {
    try {
      try {
        return createNew(path);
      } catch (ImageException e) {
        if (e.errno() != Errno.EEXIST) {
          throw e;
        }
        return open(path, true);
      }
    } catch (ImageException e) {
      String detail = e.detail().replace("Could not open '", "Could not create '");
      throw new ImageException(e.kind(), path, detail, e.errno(), e);
    }
  }

  /** Removes a file; does nothing if there is none. */
  default void delete(String path) throws ImageException {
    try {
      Files.deleteIfExists(Path.of(path));
    } catch (IOException e) {
      throw new ImageException(ErrorKind.IO, path, "Could not remove the file: " + e, e);
    }
  }

  /** Names the file behind {@code file}, equal for two opens of the same one. */
  Object identity(HostFile file) throws ImageException;

  /**
   * Takes QEMU's locks on an open file; see {@link ImageLock}.
   *
   * @throws ImageException kind {@code IN_USE} if another process stands against it
   */
  void lock(HostFile file, boolean forceShare, Consumer<String> warnings) throws ImageException;
}
