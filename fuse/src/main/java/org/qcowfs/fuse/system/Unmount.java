package org.qcowfs.fuse.system;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.engine.host.posix.PosixCalls;
import org.qcowfs.fuse.MountException;

/** Takes a mount down: by itself as root, through {@code fusermount} for everybody else. */
public final class Unmount {
  private Unmount() {}

  /** Whether the process that served {@code mountPoint} is gone. */
  public static boolean isDead(Path mountPoint) {
    if (PosixCalls.statfs(mountPoint.toString()) == 0) {
      return false;
    }
    // ECONNABORTED: it died while it was asked.
    int errno = PosixCalls.errno();
    return errno == Errno.ENOTCONN || errno == Errno.ECONNABORTED;
  }

  /**
   * Unmounts.
   *
   * @param lazily now for new users, later for those who still have something open
   * @throws MountException naming who holds it if it is busy
   */
  public static void unmount(Path mountPoint, boolean lazily) throws MountException {
    int flags = PosixCalls.UMOUNT_NOFOLLOW | (lazily ? PosixCalls.MNT_DETACH : 0);
    if (PosixCalls.umount2(mountPoint.toString(), flags) == 0) {
      return;
    }
    int errno = PosixCalls.errno();
    String reason = Errno.text(errno);
    if (errno == Errno.EPERM) {
      reason = fusermount(mountPoint, lazily);
      if (reason.isEmpty()) {
        return;
      }
    }
    List<String> holders = Holders.of(mountPoint);
    String shown = "Could not unmount '" + Escape.text(mountPoint.toString()) + "': ";
    throw new MountException(
        holders.isEmpty() ? shown + reason : shown + "it is used by " + String.join(", ", holders));
  }

  /** Returns empty on success, else the reason. */
  private static String fusermount(Path mountPoint, boolean lazily) {
    String reason = "fusermount is not installed";
    for (String program : List.of("fusermount", "fusermount3")) {
      List<String> command = new ArrayList<>(List.of(program, "-u"));
      if (lazily) {
        command.add("-z");
      }
      command.add("--");
      command.add(mountPoint.toString());
      try {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        process.getOutputStream().close();
        String said =
            new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
        if (process.waitFor() == 0) {
          return "";
        }
        return Escape.text(said.isEmpty() ? program + " failed" : said);
      } catch (IOException e) {
        // Not this one.
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return "interrupted";
      }
    }
    return reason;
  }
}
