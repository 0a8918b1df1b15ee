package org.qcowfs.engine.host.storage;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.PosixHostFile;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.engine.host.posix.FileStatus;

/** A file that is only read, and looked after as a {@link StoragePolicy} says. */
final class StorageFile implements HostFile {
  private static final long CHECK_NANOS = 1_000_000_000L;
  private static final long FIRST_PAUSE_MILLIS = 100;
  private static final long LONGEST_PAUSE_MILLIS = 5_000;

  /** What can be asked about a file. */
  private interface Question {
    long ask(PosixHostFile file, long hostOffset) throws ImageException;
  }

  private final String path;
  private final StoragePolicy policy;
  private final @Nullable TimedCalls timed;
  private final BoundedLocks locks;
  private final Consumer<String> log;
  private final FileStatus opened;
  private final FilePrint print;
  private final AtomicLong nextCheck = new AtomicLong(System.nanoTime() + CHECK_NANOS);

  /** Whether the latest read got no answer, or none but errors, and this has been said. */
  private final AtomicBoolean silent = new AtomicBoolean();

  /** Descriptors the server has lost; others may still be reading through them. */
  private final List<PosixHostFile> lost = new ArrayList<>();

  private volatile PosixHostFile file;
  private volatile boolean locked;
  private volatile boolean forceShare;
  private boolean closed;

  /** Why no byte of it is returned any more; null as long as it is the file that was opened. */
  private volatile @Nullable String change;

  /** Takes over {@code file}, also if that fails. */
  StorageFile(
      PosixHostFile file,
      StoragePolicy policy,
      @Nullable TimedCalls timed,
      BoundedLocks locks,
      Consumer<String> log)
      throws ImageException {
    this.path = file.path();
    this.policy = policy;
    this.timed = timed;
    this.locks = locks;
    this.log = log;
    this.file = file;
    try {
      this.opened = file.status();
    } catch (ImageException e) {
      file.close();
      throw e;
    }
    this.print = new FilePrint(opened);
  }

  PosixHostFile bare() {
    return file;
  }

  /** What the host said of it when it was opened. */
  FileStatus opened() {
    return opened;
  }

  /** Locks have been taken, and are to be taken again on another descriptor. */
  void locked(boolean share) {
    forceShare = share;
    locked = true;
  }

  @Override
  public String path() {
    return path;
  }

  @Override
  public boolean writable() {
    return false;
  }

  @Override
  public int read(long hostOffset, DataBuffer dst, int position, int length) throws ImageException {
    for (long pause = FIRST_PAUSE_MILLIS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MILLIS)) {
      try {
        int got =
            timed == null
                ? readOnce(hostOffset, dst, position, length)
                : timed.read(
                    policy.timeoutMillis(),
                    this::readOnce,
                    path,
                    hostOffset,
                    dst,
                    position,
                    length);
        if (silent.get() && silent.compareAndSet(true, false)) {
          log.accept(Escape.text(path) + ": answers again");
        }
        return got;
      } catch (ImageException e) {
        failed(e);
      }
      rest(pause);
    }
  }

  /** A question about the file; what the kernel knows by itself says nothing of the storage. */
  private long ask(Question question, long hostOffset) throws ImageException {
    for (long pause = FIRST_PAUSE_MILLIS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MILLIS)) {
      try {
        return timed == null
            ? askOnce(question, hostOffset)
            : timed.<Long>call(
                policy.timeoutMillis(),
                path,
                "a query",
                () -> askOnce(question, hostOffset),
                late -> {});
      } catch (ImageException e) {
        failed(e);
      }
      rest(pause);
    }
  }

  /** Returns if it is to be tried again. */
  private void failed(ImageException e) throws ImageException {
    boolean again = policy.retry() && isPassing(e);
    if (again || e.isReported() && e.errno() != Errno.EINTR) {
      report(e, again);
    }
    if (!again) {
      throw e;
    }
  }

  private void rest(long millis) throws ImageException {
    try {
      // Nothing announces that storage works again; an interrupt ends the wait.
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      throw ImageException.reported(path, "nobody waits for a read any more", Errno.EINTR);
    }
  }

  private void report(ImageException e, boolean again) {
    if (silent.compareAndSet(false, true)) {
      log.accept(e.getMessage() + (again ? "; trying again until it works" : ""));
    }
  }

  private static boolean isPassing(ImageException e) {
    return switch (e.errno()) {
      case Errno.EIO, Errno.ESTALE, Errno.ETIMEDOUT -> true;
      default -> false;
    };
  }

  private int readOnce(long hostOffset, DataBuffer dst, int position, int length)
      throws ImageException {
    PosixHostFile now = file;
    try {
      return readFrom(now, hostOffset, dst, position, length);
    } catch (ImageException e) {
      return (int)
          askAnother(now, e, (f, at) -> readFrom(f, at, dst, position, length), hostOffset);
    }
  }

  private long askOnce(Question question, long hostOffset) throws ImageException {
    refuseChanged();
    PosixHostFile now = file;
    try {
      return question.ask(now, hostOffset);
    } catch (ImageException e) {
      return askAnother(now, e, question, hostOffset);
    }
  }

  private int readFrom(
      PosixHostFile from, long hostOffset, DataBuffer dst, int position, int length)
      throws ImageException {
    refuseChanged();
    int got = from.read(hostOffset, dst, position, length);
    if (policy.watch()) {
      long due = nextCheck.get();
      long now = System.nanoTime();
      if (got < length || now - due >= 0 && nextCheck.compareAndSet(due, now + CHECK_NANOS)) {
        // After the read: what changed before it shows.
        note(print.difference(from.status()));
      }
      refuseChanged();
    }
    return got;
  }

  private void note(@Nullable String difference) {
    if (difference != null) {
      change = difference;
    }
  }

  private void refuseChanged() throws ImageException {
    String known = change;
    if (known != null) {
      throw new ImageException(
          ErrorKind.IO,
          path,
          "changed while it was in use: " + known + "; expected the file as it was opened");
    }
  }

  /**
   * Asks again, through the file as it is opened now, if a file server may have lost what {@code
   * lost} was; from then on that one is used. Several threads may come here: none waits for another
   * one's server.
   *
   * @param failure what {@code lost} answered, thrown if this is not why
   */
  private long askAnother(
      PosixHostFile lost, ImageException failure, Question question, long hostOffset)
      throws ImageException {
    boolean stale = failure.errno() == Errno.ESTALE;
    // A server that has restarted may not have given the locks back: the kernel then fails all that
    // is read through a descriptor that had them.
    if (!stale && !(failure.errno() == Errno.EIO && locked) || change != null) {
      throw failure;
    }
    PosixHostFile present = file;
    if (present != lost) {
      return question.ask(present, hostOffset);
    }
    PosixHostFile again;
    try {
      again = PosixHostFile.open(path, false);
    } catch (ImageException e) {
      if (stale && e.errno() == Errno.ENOENT) {
        note("it is gone");
        refuseChanged();
      }
      throw stale ? e : failure;
    }
    boolean used = false;
    try {
      String difference = print.difference(again.status());
      if (difference != null && !stale && !policy.watch()) {
        throw failure;
      }
      note(difference);
      refuseChanged();
      long answer = question.ask(again, hostOffset);
      if (!stale && answers(lost, question, hostOffset)) {
        return answer; // it was a passing error
      }
      if (locked) {
        locks.take(again, forceShare, line -> {});
      }
      used = replace(lost, again);
      if (used) {
        log.accept(
            Escape.text(path)
                + (stale
                    ? ": its server had lost it (Stale file handle); opened again"
                    : ": could be read only after it was opened again"));
      }
      return answer;
    } finally {
      if (!used) {
        again.close();
      }
    }
  }

  private static boolean answers(PosixHostFile file, Question question, long hostOffset) {
    try {
      question.ask(file, hostOffset);
      return true;
    } catch (ImageException e) {
      return false;
    }
  }

  /** Returns false if another thread came first, or the end. */
  private synchronized boolean replace(PosixHostFile stale, PosixHostFile again) {
    if (file != stale || closed) {
      return false;
    }
    lost.add(stale);
    file = again;
    return true;
  }

  @Override
  public long length() throws ImageException {
    return ask((now, offset) -> now.length(), 0);
  }

  @Override
  public long nextData(long hostOffset) throws ImageException {
    return ask(PosixHostFile::nextData, hostOffset);
  }

  @Override
  public long nextHole(long hostOffset) throws ImageException {
    return ask(PosixHostFile::nextHole, hostOffset);
  }

  @Override
  public long allocatedBytes() throws ImageException {
    return ask((now, offset) -> now.allocatedBytes(), 0);
  }

  @Override
  public void willNeed(long hostOffset, long length) {
    file.willNeed(hostOffset, length);
  }

  @Override
  public boolean resizable() {
    return file.resizable();
  }

  @Override
  public void write(long hostOffset, DataBuffer src, int position, int length)
      throws ImageException {
    throw readOnly();
  }

  @Override
  public void sync() {}

  @Override
  public void truncate(long length) throws ImageException {
    throw readOnly();
  }

  @Override
  public void allocate(long hostOffset, long length) throws ImageException {
    throw readOnly();
  }

  @Override
  public void zeroRange(long hostOffset, long length) throws ImageException {
    throw readOnly();
  }

  @Override
  public boolean punchHole(long hostOffset, long length) throws ImageException {
    throw readOnly();
  }

  private ImageException readOnly() {
    return new ImageException(ErrorKind.READ_ONLY, path, "File is opened read-only");
  }

  @Override
  public synchronized void close() throws ImageException {
    closed = true;
    for (PosixHostFile one : lost) {
      try {
        one.close();
      } catch (ImageException e) {
        // Its server had lost it.
      }
    }
    lost.clear();
    file.close();
  }
}
