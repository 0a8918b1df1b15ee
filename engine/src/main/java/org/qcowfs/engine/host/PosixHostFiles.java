package org.qcowfs.engine.host;

import java.util.function.Consumer;
import org.qcowfs.engine.error.ImageException;

/** Files of the host, opened by path. */
final class PosixHostFiles implements HostFiles {
  private final boolean durable;

  PosixHostFiles(boolean durable) {
    this.durable = durable;
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
    ImageLock.take((PosixHostFile) file, forceShare, warnings);
  }
}
