package org.qcowfs.engine.host;

import static org.qcowfs.engine.host.posix.PosixCalls.F_OFD_GETLK;
import static org.qcowfs.engine.host.posix.PosixCalls.F_OFD_SETLK;
import static org.qcowfs.engine.host.posix.PosixCalls.F_RDLCK;
import static org.qcowfs.engine.host.posix.PosixCalls.F_UNLCK;
import static org.qcowfs.engine.host.posix.PosixCalls.F_WRLCK;

import java.util.function.Consumer;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.engine.host.posix.PosixCalls;

/**
 * QEMU's image locks (block/file-posix.c): what a user of the file does, and what it forbids
 * others, as shared locks on single bytes of the open file description.
 *
 * <pre>
 *   byte 100 + p: somebody has permission p        byte 200 + p: somebody forbids permission p
 *   p = 0 consistent read, 1 write, 3 resize
 * </pre>
 *
 * A permission is free when nobody forbids it, and may be forbidden when nobody has it. The locks
 * go with the descriptor.
 */
final class ImageLock {
  private static final int HAVE = 100;
  private static final int FORBID = 200;
  private static final int READ = 0;
  private static final int WRITE = 1;
  private static final int RESIZE = 3;

  private ImageLock() {}

  /**
   * Takes the locks of a reader, which forbids writing, or of a writer, which does too; with {@code
   * forceShare} nothing is forbidden.
   *
   * @param warnings told once where the file system has no locks
   * @throws ImageException kind {@code IN_USE} if another process stands against it
   */
  static void take(PosixHostFile file, boolean forceShare, Consumer<String> warnings)
      throws ImageException {
    int[] have = file.writable() ? new int[] {READ, WRITE, RESIZE} : new int[] {READ};
    int[] forbid = forceShare ? new int[0] : new int[] {WRITE, RESIZE};
    for (int permission : have) {
      if (!lock(file, HAVE + permission, warnings)) {
        return;
      }
    }
    for (int permission : forbid) {
      if (!lock(file, FORBID + permission, warnings)) {
        return;
      }
    }
    for (int permission : have) {
      check(file, FORBID + permission, permission, "");
    }
    for (int permission : forbid) {
      check(file, HAVE + permission, permission, "shared ");
    }
  }

  /** Returns false where the file system has no locks. */
  private static boolean lock(PosixHostFile file, long at, Consumer<String> warnings)
      throws ImageException {
    if (PosixCalls.ofdLock(file.fd(), F_OFD_SETLK, F_RDLCK, at, 1) == 0) {
      return true;
    }
    int errno = PosixCalls.errno();
    if (errno == Errno.EAGAIN || errno == Errno.EACCES) {
      throw inUse(file, "Failed to lock byte " + at);
    }
    warnings.accept(
        Escape.text(file.path())
            + ": the file system has no locks ("
            + Errno.text(errno)
            + "); make sure that nobody writes the image meanwhile");
    return false;
  }

  private static void check(PosixHostFile file, long at, int permission, String kind)
      throws ImageException {
    int found = PosixCalls.ofdLock(file.fd(), F_OFD_GETLK, F_WRLCK, at, 1);
    if (found != F_UNLCK && found >= 0) {
      String name =
          permission == READ ? "consistent read" : permission == WRITE ? "write" : "resize";
      throw inUse(file, "Failed to get " + kind + "\"" + name + "\" lock");
    }
  }

  private static ImageException inUse(PosixHostFile file, String what) {
    String holders = FileHolders.describe(file.path());
    return new ImageException(
        ErrorKind.IN_USE,
        file.path(),
        what
            + "; is another process using the image '"
            + Escape.text(file.path())
            + "'?"
            + (holders.isEmpty() ? "" : " It is open in " + holders));
  }
}
