package org.qcowfs.engine.host;

import static org.qcowfs.engine.host.posix.PosixCalls.FALLOC_FL_KEEP_SIZE;
import static org.qcowfs.engine.host.posix.PosixCalls.FALLOC_FL_PUNCH_HOLE;
import static org.qcowfs.engine.host.posix.PosixCalls.FALLOC_FL_ZERO_RANGE;
import static org.qcowfs.engine.host.posix.PosixCalls.O_CLOEXEC;
import static org.qcowfs.engine.host.posix.PosixCalls.O_NONBLOCK;
import static org.qcowfs.engine.host.posix.PosixCalls.O_RDONLY;
import static org.qcowfs.engine.host.posix.PosixCalls.O_RDWR;
import static org.qcowfs.engine.host.posix.PosixCalls.SEEK_DATA;
import static org.qcowfs.engine.host.posix.PosixCalls.SEEK_END;
import static org.qcowfs.engine.host.posix.PosixCalls.SEEK_HOLE;

import java.lang.ref.Reference;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.engine.host.posix.FileStatus;
import org.qcowfs.engine.host.posix.PosixCalls;

/** Internal: users have {@link HostFiles#POSIX}. A regular file or block device, by descriptor. */
public final class PosixHostFile implements HostFile {
  private static final long READ_AHEAD = 128 << 10;

  /** A multiple of the logical blocks of most devices. */
  private static final long DEVICE_BLOCK = 4096;

  private static final int F_DUPFD_CLOEXEC = 1030; // fcntl-linux.h

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

  private final String path;

  /** -1 once closed: a late request fails and never meets the file that has the number next. */
  private volatile int fd;

  private final boolean writable;
  private final boolean blockDevice;
  private final long device;
  private final long inode;
  private volatile boolean durable = true;
  private final AtomicBoolean closed = new AtomicBoolean();

  private PosixHostFile(
      String path, int fd, boolean writable, boolean blockDevice, long device, long inode) {
    this.path = path;
    this.fd = fd;
    this.writable = writable;
    this.blockDevice = blockDevice;
    this.device = device;
    this.inode = inode;
  }

  /**
   * Opens an existing regular file or block device.
   *
   * <p>{@code O_NONBLOCK} keeps the open of a FIFO from waiting; what is neither a regular file nor
   * a block device is closed again and refused.
   *
   * @throws ImageException kind {@code IO} with the errno, or {@code REFUSED} for another type
   */
  public static PosixHostFile open(String path, boolean writable) throws ImageException {
    return open(path, (writable ? O_RDWR : O_RDONLY) | O_NONBLOCK, writable);
  }

  /**
   * Creates a regular file that must not exist yet.
   *
   * @throws ImageException kind {@code IO}; errno {@code EEXIST} if it does
   */
  public static PosixHostFile createNew(String path) throws ImageException {
    return open(path, O_RDWR | PosixCalls.O_CREAT | PosixCalls.O_EXCL, true);
  }

  private static PosixHostFile open(String path, int flags, boolean writable)
      throws ImageException {
    int fd = PosixCalls.open(path, flags | O_CLOEXEC);
    if (fd < 0) {
      int errno = PosixCalls.errno();
      throw new ImageException(
          ErrorKind.IO,
          path,
          "Could not open '" + Escape.text(path) + "': " + Errno.text(errno) + remedy(errno),
          errno,
          null);
    }
    FileStatus status = PosixCalls.fstat(fd);
    if (!status.isRegularFile() && !status.isBlockDevice()) {
      PosixCalls.close(fd);
      throw new ImageException(
          ErrorKind.REFUSED,
          path,
          "'"
              + Escape.text(path)
              + "' is "
              + status.typeName()
              + "; expected a regular file or a block device");
    }
    return new PosixHostFile(
        path, fd, writable, status.isBlockDevice(), status.device(), status.inode());
  }

  /** What helps root, who has every right on storage of this machine. */
  private static String remedy(int errno) {
    return errno == Errno.EACCES && PosixCalls.geteuid() == 0
        ? " for root: a file server may take root for nobody (root_squash), and a FUSE mount may be"
            + " its user's alone; run this as a user who may read the file"
        : "";
  }

  @Override
  public String path() {
    return path;
  }

  @Override
  public boolean isSameFile(HostFile other) {
    return other instanceof PosixHostFile that && device == that.device && inode == that.inode;
  }

  @Override
  public boolean writable() {
    return writable;
  }

  /** Whether {@link #sync} does anything. */
  void setDurable(boolean value) {
    durable = value;
  }

  /** The descriptor, for locks. */
  public int fd() {
    return fd;
  }

  /**
   * Another descriptor of the same open file: its locks are this one's, and last until both are
   * closed.
   *
   * @throws ImageException if there are no descriptors left
   */
  public PosixHostFile twin() throws ImageException {
    int other = (int) check(PosixCalls.fcntl(fd, F_DUPFD_CLOEXEC, 0), "duplicate", 0, 0);
    return new PosixHostFile(path, other, writable, blockDevice, device, inode);
  }

  /** Which file of this host it is, whatever it was called; asks nobody. */
  Object identity() {
    return new Identity(device, inode);
  }

  /** What the kernel says of the open file now. */
  public FileStatus status() throws ImageException {
    FileStatus status = PosixCalls.fstat(fd);
    if (status.errno() != 0) {
      throw failure("stat", 0, 0, status.errno());
    }
    return status;
  }

  @Override
  public long length() throws ImageException {
    // Right for block devices too; nobody uses the file position.
    return check(PosixCalls.lseek(fd, 0, SEEK_END), "seek", 0, 0);
  }

  @Override
  public int read(long hostOffset, DataBuffer dst, int position, int length) throws ImageException {
    Objects.checkFromIndexSize(position, length, dst.capacity());
    int done = 0;
    while (done < length) {
      long n =
          PosixCalls.pread(fd, dst.address() + position + done, length - done, hostOffset + done);
      if (n == 0) {
        break;
      }
      if (n < 0) {
        int errno = PosixCalls.errno();
        if (errno == Errno.EINTR) {
          continue;
        }
        throw failure("read", hostOffset + done, length - done, errno);
      }
      done += (int) n;
    }
    Reference.reachabilityFence(dst);
    return done;
  }

  @Override
  public void write(long hostOffset, DataBuffer src, int position, int length)
      throws ImageException {
    Objects.checkFromIndexSize(position, length, src.capacity());
    int done = 0;
    while (done < length) {
      long n =
          PosixCalls.pwrite(fd, src.address() + position + done, length - done, hostOffset + done);
      if (n < 0) {
        int errno = PosixCalls.errno();
        if (errno == Errno.EINTR) {
          continue;
        }
        throw failure("write", hostOffset + done, length - done, errno);
      }
      if (n == 0) {
        throw failure("write", hostOffset + done, length - done, Errno.ENOSPC);
      }
      done += (int) n;
    }
    Reference.reachabilityFence(src);
  }

  @Override
  public void sync() throws ImageException {
    if (!durable) {
      return;
    }
    check(PosixCalls.fdatasync(fd), "sync", 0, 0);
  }

  @Override
  public void startWriteout(long hostOffset, long length) {
    // Where it cannot, the next sync has the more to do.
    PosixCalls.startWriteout(fd, hostOffset, length);
  }

  @Override
  public void willNeed(long hostOffset, long length) {
    // Of a longer range the kernel fetches no more than its own read-ahead allows, 128 KiB unless
    // somebody changed that.
    for (long done = 0; done < length; done += READ_AHEAD) {
      PosixCalls.willNeed(fd, hostOffset + done, Math.min(READ_AHEAD, length - done));
    }
  }

  @Override
  public boolean resizable() {
    return !blockDevice;
  }

  @Override
  public void truncate(long length) throws ImageException {
    check(PosixCalls.ftruncate(fd, length), "truncate", length, 0);
  }

  @Override
  public void allocate(long hostOffset, long length) throws ImageException {
    if (!blockDevice) { // which has its blocks, and cannot be asked for them
      check(PosixCalls.fallocate(fd, 0, hostOffset, length), "allocate", hostOffset, length);
    }
  }

  @Override
  public void zeroRange(long hostOffset, long length) throws ImageException {
    if (!zeroed(FALLOC_FL_ZERO_RANGE, "zero", hostOffset, length)) {
      writeZeroes(hostOffset, length);
    }
  }

  @Override
  public boolean punchHole(long hostOffset, long length) throws ImageException {
    int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    return zeroed(mode, "punch a hole", hostOffset, length);
  }

  /** Has the host make zeroes of a range; false where it cannot. */
  private boolean zeroed(int mode, String what, long hostOffset, long length)
      throws ImageException {
    if (PosixCalls.fallocate(fd, mode, hostOffset, length) == 0) {
      return true;
    }
    int errno = PosixCalls.errno();
    if (errno == Errno.EINVAL && blockDevice) {
      return zeroedInBlocks(mode, hostOffset, length);
    }
    if (errno == Errno.EOPNOTSUPP || errno == Errno.ENODEV || errno == Errno.ENOSYS) {
      return false;
    }
    throw failure(what, hostOffset, length, errno);
  }

  /** A device makes zeroes of whole logical blocks only: the edges are written. */
  private boolean zeroedInBlocks(int mode, long hostOffset, long length) throws ImageException {
    long end = hostOffset + length;
    long from = Math.min(end, hostOffset + DEVICE_BLOCK - 1 & -DEVICE_BLOCK);
    long to = Math.max(from, end & -DEVICE_BLOCK);
    if (from < to && PosixCalls.fallocate(fd, mode, from, to - from) != 0) {
      return false;
    }
    writeZeroes(hostOffset, from - hostOffset);
    writeZeroes(to, end - to);
    return true;
  }

  private void writeZeroes(long hostOffset, long length) throws ImageException {
    DataBuffer zeroes = DataBuffer.allocate((int) Math.min(length, 1 << 20));
    for (long done = 0; done < length; done += zeroes.capacity()) {
      write(hostOffset + done, zeroes, 0, (int) Math.min(length - done, zeroes.capacity()));
    }
  }

  @Override
  public boolean cloneFrom(HostFile source, long sourceOffset, long hostOffset, long length)
      throws ImageException {
    if (!(source instanceof PosixHostFile from)) {
      return false;
    }
    if (PosixCalls.cloneRange(from.fd, sourceOffset, fd, hostOffset, length) == 0) {
      return true;
    }
    int errno = PosixCalls.errno();
    if (errno == Errno.EIO || errno == Errno.ENOSPC || errno == Errno.EDQUOT) {
      throw failure("clone", hostOffset, length, errno);
    }
    return false; // another file system, one that cannot, or not in whole blocks
  }

  @Override
  public long nextData(long hostOffset) throws ImageException {
    long found = PosixCalls.lseek(fd, hostOffset, SEEK_DATA);
    if (found >= 0) {
      return found;
    }
    int errno = PosixCalls.errno();
    if (errno == Errno.ENXIO) {
      return Long.MAX_VALUE;
    }
    if (errno == Errno.EINVAL) {
      return hostOffset;
    }
    throw failure("seek for data", hostOffset, 0, errno);
  }

  @Override
  public long nextHole(long hostOffset) throws ImageException {
    long found = PosixCalls.lseek(fd, hostOffset, SEEK_HOLE);
    if (found >= 0) {
      return found;
    }
    int errno = PosixCalls.errno();
    if (errno == Errno.ENXIO) {
      return hostOffset;
    }
    if (errno == Errno.EINVAL) {
      return Long.MAX_VALUE;
    }
    throw failure("seek for a hole", hostOffset, 0, errno);
  }

  @Override
  public long allocatedBytes() throws ImageException {
    return status().blocks() * 512;
  }

  @Override
  public long availableBytes() {
    long available = blockDevice ? -1 : PosixCalls.availableBytes(fd);
    return available < 0 ? Long.MAX_VALUE : available;
  }

  @Override
  public void close() throws ImageException {
    if (closed.compareAndSet(false, true)) {
      int last = fd;
      fd = -1;
      check(PosixCalls.close(last), "close", 0, 0);
    }
  }

  private long check(long result, String operation, long hostOffset, long length)
      throws ImageException {
    if (result < 0) {
      throw failure(operation, hostOffset, length, PosixCalls.errno());
    }
    return result;
  }

  private ImageException failure(String operation, long hostOffset, long length, int errno) {
    boolean full = errno == Errno.ENOSPC || errno == Errno.EDQUOT || errno == Errno.EFBIG;
    String where =
        length == 0 ? "" : String.format(" %d bytes at host offset 0x%x", length, hostOffset);
    return new ImageException(
        full ? ErrorKind.NO_SPACE : ErrorKind.IO,
        path,
        "Could not " + operation + where + ": " + Errno.text(errno),
        errno,
        null);
  }
}
