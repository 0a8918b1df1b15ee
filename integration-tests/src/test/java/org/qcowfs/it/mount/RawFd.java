package org.qcowfs.it.mount;

import java.nio.file.Path;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.engine.host.posix.PosixCalls;

/** An open file by its descriptor; failures are counts below zero: the negative errno. */
final class RawFd implements AutoCloseable {
  private final int fd;

  private RawFd(int fd) {
    this.fd = fd;
  }

  /** Opens {@code file} for reading and writing. */
  static RawFd open(Path file, int... flags) {
    int all = PosixCalls.O_RDWR | PosixCalls.O_CLOEXEC;
    for (int flag : flags) {
      all |= flag;
    }
    int fd = PosixCalls.open(file.toString(), all);
    if (fd < 0) {
      throw new AssertionError("could not open " + file + ": " + Errno.text(PosixCalls.errno()));
    }
    return new RawFd(fd);
  }

  /** The errno of opening {@code file} for writing; 0 if that succeeds. */
  static int openErrno(Path file) {
    int fd = PosixCalls.open(file.toString(), PosixCalls.O_RDWR | PosixCalls.O_CLOEXEC);
    if (fd < 0) {
      return PosixCalls.errno();
    }
    PosixCalls.close(fd);
    return 0;
  }

  private static long result(long returned) {
    return returned < 0 ? -PosixCalls.errno() : returned;
  }

  /** A page-aligned buffer full of {@code pattern}. */
  static DataBuffer filled(int pattern, int length) {
    DataBuffer buffer = DataBuffer.allocate(length);
    for (int i = 0; i < length; i++) {
      buffer.bytes().put(i, (byte) pattern);
    }
    return buffer;
  }

  long write(int pattern, long offset, int length) {
    return write(filled(pattern, length), offset);
  }

  long write(DataBuffer bytes, long offset) {
    return result(PosixCalls.pwrite(fd, bytes.address(), bytes.capacity(), offset));
  }

  long read(DataBuffer into, long offset) {
    return result(PosixCalls.pread(fd, into.address(), into.capacity(), offset));
  }

  long sync() {
    return result(PosixCalls.fdatasync(fd));
  }

  long truncate(long size) {
    return result(PosixCalls.ftruncate(fd, size));
  }

  long fallocate(int mode, long offset, long length) {
    return result(PosixCalls.fallocate(fd, mode, offset, length));
  }

  long seek(long offset, int whence) {
    return result(PosixCalls.lseek(fd, offset, whence));
  }

  /** Closes it. */
  long closeNow() {
    return result(PosixCalls.close(fd));
  }

  @Override
  public void close() {
    PosixCalls.close(fd);
  }
}
