package org.qcowfs.engine.testing;

import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.posix.Errno;

/** An open file in memory, with holes answered to the page. */
public final class MemoryHostFile implements HostFile {
  private final String path;
  private final MemoryContent content;
  private final boolean writable;

  public MemoryHostFile(String path, MemoryContent content, boolean writable) {
    this.path = path;
    this.content = content;
    this.writable = writable;
  }

  public MemoryContent content() {
    return content;
  }

  @Override
  public String path() {
    return path;
  }

  @Override
  public boolean writable() {
    return writable;
  }

  @Override
  public long length() {
    return content.length();
  }

  @Override
  public int read(long hostOffset, DataBuffer dst, int position, int length) {
    return content.read(hostOffset, dst.bytes(), position, length);
  }

  @Override
  public void write(long hostOffset, DataBuffer src, int position, int length)
      throws ImageException {
    requireWritable();
    content.write(hostOffset, src.bytes(), position, length);
  }

  @Override
  public void sync() {}

  @Override
  public void truncate(long length) throws ImageException {
    requireWritable();
    content.truncate(length);
  }

  @Override
  public void allocate(long hostOffset, long length) throws ImageException {
    requireWritable();
    content.allocate(hostOffset, length);
  }

  @Override
  public void zeroRange(long hostOffset, long length) throws ImageException {
    requireWritable();
    content.allocate(hostOffset, length);
    content.zero(hostOffset, length, false);
  }

  @Override
  public boolean punchHole(long hostOffset, long length) throws ImageException {
    requireWritable();
    content.zero(hostOffset, length, true);
    return true;
  }

  @Override
  public long nextData(long hostOffset) {
    long found = content.next(hostOffset, false);
    return found >= content.length() ? Long.MAX_VALUE : found;
  }

  @Override
  public long nextHole(long hostOffset) {
    return hostOffset >= content.length() ? hostOffset : content.next(hostOffset, true);
  }

  @Override
  public long allocatedBytes() {
    return content.allocatedBytes();
  }

  @Override
  public void close() {}

  private void requireWritable() throws ImageException {
    if (!writable) {
      throw new ImageException(
          ErrorKind.IO, path, "Could not write: not opened for writing", Errno.EBADF, null);
    }
  }
}
