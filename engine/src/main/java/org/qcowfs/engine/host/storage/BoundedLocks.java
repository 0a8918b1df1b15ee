package org.qcowfs.engine.host.storage;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.host.PosixHostFile;
import org.qcowfs.engine.host.posix.Errno;

/**
 * QEMU's locks on files that are only read, without a long wait for a file server that has just
 * started: in its grace period, of 45 to 90 s, it grants none that its clients did not have before,
 * and the kernel waits for that in a call that should not.
 *
 * <p>After {@link #LIMIT_MILLIS} the file is used as one on a file system without locks, with one
 * warning for all files. The call goes on in the background: the locks are taken when the server
 * grants them, and who writes the file by then is named in the log.
 *
 * <p><b>Thread safety:</b> safe.
 */
final class BoundedLocks {
  private static final long LIMIT_MILLIS = 5_000;

  /** Once one was waited for in vain; enough for a file that is somewhere else. */
  private static final long NEXT_LIMIT_MILLIS = 250;

  private final Consumer<String> log;
  private final TimedCalls calls = new TimedCalls();
  private final AtomicBoolean late = new AtomicBoolean();
  private final AtomicBoolean refused = new AtomicBoolean();

  /**
   * @param log told once if there are no locks yet, and once if they are refused in the end
   */
  BoundedLocks(Consumer<String> log) {
    this.log = log;
  }

  /**
   * Takes the locks of a reader, as {@link HostFiles#lock} does.
   *
   * @param warnings told where the file system has no locks
   * @throws ImageException kind {@code IN_USE} if another process stands against it
   */
  void take(PosixHostFile file, boolean forceShare, Consumer<String> warnings)
      throws ImageException {
    PosixHostFile twin = file.twin(); // the file may be closed before the answer comes
    AtomicBoolean left = new AtomicBoolean();
    Object answer;
    try {
      answer =
          calls.<Object>call(
              late.get() ? NEXT_LIMIT_MILLIS : LIMIT_MILLIS,
              file.path(),
              "a lock",
              () ->
                  lock(
                      twin,
                      forceShare,
                      line -> {
                        if (!left.get()) {
                          warnings.accept(line);
                        }
                      }),
              unclaimed -> {
                close(twin);
                if (unclaimed instanceof ImageException refusal
                    && refused.compareAndSet(false, true)) {
                  log.accept("warning: " + refusal.getMessage());
                }
              });
    } catch (ImageException e) {
      if (e.errno() != Errno.ETIMEDOUT) {
        throw e;
      }
      left.set(true);
      if (late.compareAndSet(false, true)) {
        log.accept(
            "warning: "
                + Escape.text(file.path())
                + ": the file server grants no locks yet (waited "
                + LIMIT_MILLIS / 1000
                + " s); make sure that nobody writes the image meanwhile");
      }
      return;
    }
    if (answer instanceof ImageException refusal) {
      throw refusal;
    }
  }

  /** Returns the refusal, or something else. */
  private static Object lock(PosixHostFile twin, boolean forceShare, Consumer<String> warnings) {
    try {
      HostFiles.POSIX.lock(twin, forceShare, warnings);
      return true;
    } catch (ImageException e) {
      return e;
    } finally {
      close(twin);
    }
  }

  private static void close(PosixHostFile twin) {
    try {
      twin.close();
    } catch (ImageException e) {
      // It was only read.
    }
  }
}
