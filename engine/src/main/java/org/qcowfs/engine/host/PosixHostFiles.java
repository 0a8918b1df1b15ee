package org.qcowfs.engine.host;

import java.util.function.Consumer;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.posix.FileStatus;

/** Files of the host, opened by path. */
final class PosixHostFiles implements HostFiles {
  /** A file's identity on this host, whatever it is called. */
  private record Identity(long device, long inode) {}

  @Override
  public HostFile open(String path, boolean writable) throws ImageException {
    return PosixHostFile.open(path, writable);
  }

  @Override
  public HostFile createNew(String path) throws ImageException {
    return PosixHostFile.createNew(path);
  }

  @Override
  public Object identity(HostFile file) throws ImageException {
    FileStatus status = ((PosixHostFile) file).status();
    return new Identity(status.device(), status.inode());
  }

  @Override
  public void lock(HostFile file, boolean forceShare, Consumer<String> warnings)
      throws ImageException {
    ImageLock.take((PosixHostFile) file, forceShare, warnings);
  }
}
