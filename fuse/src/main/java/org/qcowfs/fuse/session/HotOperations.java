package org.qcowfs.fuse.session;

import static org.qcowfs.fuse.session.WireFormat.*;

import java.nio.ByteBuffer;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.engine.host.posix.PosixCalls;
import org.qcowfs.fuse.tree.ErrnoMapper;
import org.qcowfs.fuse.tree.FaultLog;
import org.qcowfs.fuse.tree.FileContent;
import org.qcowfs.fuse.tree.OpenFiles;
import org.qcowfs.fuse.tree.WritableContent;

/**
 * The requests that move data, answered straight from the request buffer: READ, LSEEK, WRITE,
 * FALLOCATE, FSYNC, FLUSH. Their file handles are those of {@link OpenFiles}.
 *
 * <p><b>Thread safety:</b> one per worker.
 */
final class HotOperations {
  private final DeviceChannel channel;
  private final OpenFiles files;
  private final FaultLog log;
  private long bytes;

  HotOperations(DeviceChannel channel, OpenFiles files, FaultLog log) {
    this.channel = channel;
    this.files = files;
    this.log = log;
  }

  /** Whether {@link #answer} knows the opcode. */
  static boolean isHot(int opcode) {
    return switch (opcode) {
      case READ, LSEEK, WRITE, FALLOCATE, FSYNC, FLUSH -> true;
      default -> false;
    };
  }

  /**
   * Whether the answer to the request in {@code channel} may have to wait for the kernel to write
   * back what it keeps.
   */
  static boolean mayWait(DeviceChannel channel, OpenFiles files) {
    switch (channel.opcode()) {
      case READ, LSEEK:
        FileContent file = files.get(channel.request().getLong(FILE_HANDLE));
        return file != null && (channel.opcode() == READ ? file.readMayWait() : file.seekMayWait());
      case MKDIR, RMDIR:
        // Making a snapshot takes what has been written.
        return true;
      default:
        return false;
    }
  }

  /** Bytes that the request answered last has read, written or zeroed. */
  long bytes() {
    return bytes;
  }

  /**
   * Answers the request in {@code channel}.
   *
   * @return 0, or the negative errno of a reply that could not be written
   */
  int answer(int opcode) {
    int errno;
    bytes = 0;
    try {
      FileContent file = files.get(channel.request().getLong(FILE_HANDLE));
      if (file == null) {
        errno = Errno.EBADF;
      } else {
        switch (opcode) {
          case READ:
            int got = read(file);
            bytes = got;
            return channel.replyData(got);
          case LSEEK:
            long found = seek(file);
            if (found >= 0) {
              channel.putReplyLong(found);
              return channel.replyData(SEEK_OUT);
            }
            errno = (int) -found;
            break;
          case WRITE:
            int written = write(file);
            if (written >= 0) {
              bytes = written;
              channel.putReplyCount(written);
              return channel.replyData(WRITE_OUT);
            }
            errno = -written;
            break;
          case FALLOCATE:
            errno = fallocate(file);
            if (errno == 0) {
              return channel.replyData(0);
            }
            break;
          case FLUSH:
            // The end of one opening of the file, of interest if it could write.
            if (file instanceof WritableContent) {
              file.flush();
            }
            return channel.replyData(0);
          default:
            file.flush();
            return channel.replyData(0);
        }
      }
    } catch (ImageException e) {
      log.fault(e);
      errno = ErrnoMapper.errno(e);
    } catch (Throwable e) {
      log.unexpected("request " + opcode, e);
      errno = Errno.EIO;
    }
    return channel.replyError(errno);
  }

  /** Puts the bytes asked for into the reply, as far as the file goes, and returns their count. */
  private int read(FileContent file) throws ImageException {
    ByteBuffer request = channel.request();
    long offset = request.getLong(OFFSET);
    int wanted = Math.min(request.getInt(READ_SIZE), InitNegotiation.MAX_TRANSFER);
    long left = file.size() - offset;
    if (offset < 0 || left <= 0 || wanted <= 0) {
      return 0;
    }
    int length = (int) Math.min(wanted, left);
    file.read(offset, channel.reply(), DeviceChannel.REPLY_DATA, length);
    return length;
  }

  /**
   * SEEK_DATA and SEEK_HOLE; the kernel answers the other kinds itself.
   *
   * @return the offset, or the negative errno: ENXIO outside the file and where no data follows
   */
  private long seek(FileContent file) throws ImageException {
    ByteBuffer request = channel.request();
    long offset = request.getLong(OFFSET);
    int whence = request.getInt(SEEK_WHENCE);
    if (whence != PosixCalls.SEEK_DATA && whence != PosixCalls.SEEK_HOLE) {
      return -Errno.EINVAL;
    }
    if (offset < 0 || offset >= file.size()) {
      return -Errno.ENXIO;
    }
    if (whence == PosixCalls.SEEK_HOLE) {
      return file.nextHole(offset);
    }
    long data = file.nextData(offset);
    return data < 0 ? -Errno.ENXIO : data;
  }

  /**
   * Writes as far as the disk goes; like a block device, it has no room past its end.
   *
   * @return the bytes written, or the negative errno
   */
  private int write(FileContent file) throws ImageException {
    if (!(file instanceof WritableContent target)) {
      return -Errno.EBADF;
    }
    ByteBuffer request = channel.request();
    long offset = request.getLong(OFFSET);
    int wanted = request.getInt(WRITE_SIZE);
    if (offset < 0 || wanted < 0 || wanted > InitNegotiation.MAX_TRANSFER) {
      return -Errno.EINVAL;
    }
    boolean fromCache = (request.getInt(WRITE_FLAGS) & FUSE_WRITE_CACHE) != 0;
    if (wanted > target.size() - offset) {
      grow(target, offset + wanted, fromCache);
    }
    int length = (int) Math.max(0, Math.min(wanted, target.size() - offset));
    if (length > 0) {
      boolean durable = !fromCache && (request.getInt(WRITE_OPEN_FLAGS) & O_DSYNC) != 0;
      target.write(offset, channel.requestMemory(), DeviceChannel.REQUEST_DATA, length, durable);
    }
    if (length < wanted && fromCache) {
      // Nobody waits who could be told of a short write, so fsync and close must fail.
      target.outgrown();
      return -Errno.ENOSPC;
    }
    return length < wanted && length == 0 ? -Errno.ENOSPC : length;
  }

  private static void grow(WritableContent target, long size, boolean fromCache)
      throws ImageException {
    boolean done = false;
    try {
      target.growTo(size);
      done = true;
    } finally {
      if (!done && fromCache) {
        target.outgrown(); // the kernel believes that the file is that long
      }
    }
  }

  /** Returns 0 or the errno. */
  private int fallocate(FileContent file) throws ImageException {
    if (!(file instanceof WritableContent target)) {
      return Errno.EBADF;
    }
    ByteBuffer request = channel.request();
    long offset = request.getLong(OFFSET);
    long length = request.getLong(FALLOCATE_LENGTH);
    int mode = request.getInt(FALLOCATE_MODE);
    boolean keepSize = (mode & PosixCalls.FALLOC_FL_KEEP_SIZE) != 0;
    int what = mode & ~PosixCalls.FALLOC_FL_KEEP_SIZE;
    if (what != 0
        && what != PosixCalls.FALLOC_FL_PUNCH_HOLE
        && what != PosixCalls.FALLOC_FL_ZERO_RANGE) {
      return Errno.EOPNOTSUPP;
    }
    if (offset < 0 || length <= 0) {
      return Errno.EINVAL;
    }
    if (!keepSize && length > target.size() - offset && length <= Long.MAX_VALUE - offset) {
      target.growTo(offset + length);
    }
    long left = Math.max(0, target.size() - offset);
    if (length > left && !keepSize) {
      return Errno.ENOSPC;
    }
    long inside = Math.min(length, left);
    if (inside == 0) {
      return 0;
    }
    if (what == 0) {
      target.allocate(offset, inside);
    } else {
      target.zero(offset, inside);
      bytes = inside;
    }
    return 0;
  }
}
