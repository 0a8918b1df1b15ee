package org.qcowfs.engine.host;

import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.posix.FileStatus;

/** Files of the host, opened by path. */
final class PosixHostFiles implements HostFiles {
  /** A file's identity on this host, whatever it is called. */
  private record Identity(long device, long inode) {
    // Written out: a record's own two are linked at run time, which costs each start 15 ms.
    @Override
    public boolean equals(@Nullable Object other) {
      return other instanceof Identity that && device == that.device && inode == that.inode;
    }

    @Override
    public int hashCode() {
      return Long.hashCode(device) * 31 + Long.hashCode(inode);
    }
  }

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
