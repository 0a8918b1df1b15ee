package org.qcowfs.engine.host.storage;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.host.PosixHostFile;

/**
 * The files of one chain, the top layer's first; those opened for reading only are looked after as
 * a policy says.
 *
 * <p><b>Thread safety:</b> safe.
 */
public final class StorageFiles implements HostFiles {
  private final StoragePolicy policy;
  private final Consumer<String> log;
  private final @Nullable TimedReads timed;
  private final AtomicBoolean hasTop = new AtomicBoolean();

  /**
   * @param log receives a line when storage stops to answer, and one when it answers again
   */
  public StorageFiles(StoragePolicy policy, Consumer<String> log) {
    this.policy = policy;
    this.log = log;
    this.timed = policy.timeoutMillis() == 0 ? null : new TimedReads(policy.timeoutMillis());
  }

  @Override
  public HostFile open(String path, boolean writable) throws ImageException {
    HostFile file = HostFiles.POSIX.open(path, writable);
    // The first file is the image itself, of which a reader takes what is still whole.
    boolean watch = hasTop.getAndSet(true) && policy.watch();
    return writable
        ? file
        : new StorageFile((PosixHostFile) file, policy.withWatch(watch), timed, log);
  }

  @Override
  public HostFile createNew(String path) throws ImageException {
    return HostFiles.POSIX.createNew(path);
  }

  @Override
  public Object identity(HostFile file) throws ImageException {
    return HostFiles.POSIX.identity(bare(file));
  }

  @Override
  public void lock(HostFile file, boolean forceShare, Consumer<String> warnings)
      throws ImageException {
    HostFiles.POSIX.lock(bare(file), forceShare, warnings);
    if (file instanceof StorageFile stored) {
      stored.locked(forceShare);
    }
  }

  private static HostFile bare(HostFile file) {
    return file instanceof StorageFile stored ? stored.bare() : file;
  }
}
