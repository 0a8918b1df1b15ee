package org.qcowfs.engine.host.storage;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.host.PosixHostFile;
import org.qcowfs.engine.host.posix.FileStatus;

/**
 * The files of one chain, the top layer's first; those opened for reading only are looked after as
 * a policy says.
 *
 * <p><b>Thread safety:</b> safe.
 */
public final class StorageFiles implements HostFiles {
  private final StoragePolicy policy;
  private final Consumer<String> log;
  private final @Nullable TimedCalls timed;
  private final BoundedLocks locks;
  private final AtomicBoolean hasTop = new AtomicBoolean();

  /** What is asked of the host about a path. */
  public interface Query {
    boolean ask() throws ImageException;
  }

  /**
   * @param log receives a line when storage stops to answer, and one when it answers again; and if
   *     there are no locks yet
   */
  public StorageFiles(StoragePolicy policy, Consumer<String> log) {
    this(policy, log, policy.timeoutMillis() == 0 ? null : new TimedCalls(), new BoundedLocks(log));
  }

  private StorageFiles(
      StoragePolicy policy, Consumer<String> log, @Nullable TimedCalls timed, BoundedLocks locks) {
    this.policy = policy;
    this.log = log;
    this.timed = timed;
    this.locks = locks;
  }

  /** For a look at files of the chain before it is opened: with the same limits, and no log. */
  public StorageFiles forLook() {
    StoragePolicy once = new StoragePolicy(policy.timeoutMillis(), false, false);
    return new StorageFiles(once, line -> {}, timed, locks);
  }

  @Override
  public HostFile open(String path, boolean writable) throws ImageException {
    // The first file is the image itself, of which a reader takes what is still whole.
    boolean watch = hasTop.getAndSet(true) && policy.watch();
    if (writable) {
      return HostFiles.POSIX.open(path, true);
    }
    StoragePolicy own = policy.withWatch(watch);
    if (timed == null) {
      return openForReading(path, own);
    }
    return timed.call(
        policy.timeoutMillis(),
        path,
        "an open",
        () -> openForReading(path, own),
        StorageFiles::close);
  }

  private StorageFile openForReading(String path, StoragePolicy own) throws ImageException {
    return new StorageFile(PosixHostFile.open(path, false), own, timed, locks, log);
  }

  private static void close(@Nullable StorageFile late) {
    if (late != null) {
      try {
        late.close();
      } catch (ImageException e) {
        // Nobody has used it.
      }
    }
  }

  /**
   * What the host says of an open file of its own; of one of this chain, what it said when that was
   * opened.
   *
   * @throws IllegalArgumentException if it is somebody else's
   */
  public static FileStatus opened(HostFile file) throws ImageException {
    if (file instanceof StorageFile stored) {
      return stored.opened();
    }
    if (file instanceof PosixHostFile plain) {
      return plain.status();
    }
    throw new IllegalArgumentException(file.path());
  }

  /**
   * Asks within the time limit.
   *
   * @throws ImageException what {@code query} throws; errno {@code ETIMEDOUT} without an answer
   */
  public boolean ask(String path, Query query) throws ImageException {
    return timed == null
        ? query.ask()
        : timed.<Boolean>call(policy.timeoutMillis(), path, "a query", query::ask, late -> {});
  }

  @Override
  public HostFile createNew(String path) throws ImageException {
    return HostFiles.POSIX.createNew(path);
  }

  @Override
  public Object identity(HostFile file) throws ImageException {
    return HostFiles.POSIX.identity(file instanceof StorageFile stored ? stored.bare() : file);
  }

  @Override
  public void lock(HostFile file, boolean forceShare, Consumer<String> warnings)
      throws ImageException {
    if (file instanceof StorageFile stored) {
      locks.take(stored.bare(), forceShare, warnings);
      stored.locked(forceShare);
    } else {
      HostFiles.POSIX.lock(file, forceShare, warnings);
    }
  }
}
