package org.qcowfs.fuse.tree;

import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.posix.Errno;

/** What a program that reads the mount is told of a fault. */
public final class ErrnoMapper {
  private ErrnoMapper() {}

  /** The errno for {@code fault}, positive. */
  public static int errno(ImageException fault) {
    return switch (fault.kind()) {
      // ESTALE says that the file server lost the file; every other host error is an I/O error.
      case IO -> fault.errno() == Errno.ESTALE ? Errno.ESTALE : Errno.EIO;
      case NOT_THIS_FORMAT, CORRUPT, UNSUPPORTED, OUT_OF_BOUNDS, FAILED -> Errno.EIO;
      case READ_ONLY -> Errno.EROFS;
      case IN_USE -> Errno.EBUSY;
      case NO_SPACE -> fault.errno() == 0 ? Errno.ENOSPC : fault.errno();
      case REFUSED -> Errno.EACCES;
    };
  }
}
