package org.qcowfs.engine.testing;

import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;

/** Hands every call on to another file. */
abstract class ForwardingHostFile implements HostFile {
  private final HostFile under;

  ForwardingHostFile(HostFile under) {
    this.under = under;
  }

  /** The file it stands for. */
  final HostFile under() {
    return under;
  }

  @Override
  public String path() {
    return under.path();
  }

  @Override
  public boolean writable() {
    return under.writable();
  }

  @Override
  public long length() throws ImageException {
    return under.length();
  }

  @Override
  public int read(long hostOffset, DataBuffer dst, int position, int length) throws ImageException {
    return under.read(hostOffset, dst, position, length);
  }

  @Override
  public void write(long hostOffset, DataBuffer src, int position, int length)
      throws ImageException {
    under.write(hostOffset, src, position, length);
  }

  @Override
  public void sync() throws ImageException {
    under.sync();
  }

  @Override
  public void truncate(long length) throws ImageException {
    under.truncate(length);
  }

  @Override
  public void allocate(long hostOffset, long length) throws ImageException {
    under.allocate(hostOffset, length);
  }

  @Override
  public void zeroRange(long hostOffset, long length) throws ImageException {
    under.zeroRange(hostOffset, length);
  }

  @Override
  public boolean punchHole(long hostOffset, long length) throws ImageException {
    return under.punchHole(hostOffset, length);
  }

  @Override
  public long nextData(long hostOffset) throws ImageException {
    return under.nextData(hostOffset);
  }

  @Override
  public long nextHole(long hostOffset) throws ImageException {
    return under.nextHole(hostOffset);
  }

  @Override
  public long allocatedBytes() throws ImageException {
    return under.allocatedBytes();
  }

  @Override
  public void close() throws ImageException {
    under.close();
  }
}
