package org.qcowfs.engine.host;

import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;

/** Files of the host, opened by path. */
final class PosixHostFiles implements HostFiles {
  private final boolean durable;
  private final @Nullable String unlocked;

  /**
   * @param unlocked path of a file that is not locked, or null
   */
  PosixHostFiles(boolean durable, @Nullable String unlocked) {
    this.durable = durable;
    this.unlocked = unlocked;
  }

  @Override
  public HostFile open(String path, boolean writable) throws ImageException {
    PosixHostFile file = PosixHostFile.open(path, writable);
    file.setDurable(durable);
    return file;
  }

  @Override
  public HostFile createNew(String path) throws ImageException {
    return PosixHostFile.createNew(path);
  }

  @Override
  public Object identity(HostFile file) {
    return ((PosixHostFile) file).identity();
  }

  @Override
  public void lock(HostFile file, boolean forceShare, Consumer<String> warnings)
      throws ImageException {
    if (!file.path().equals(unlocked)) {
      ImageLock.take((PosixHostFile) file, forceShare, warnings);
    }
  }
}
