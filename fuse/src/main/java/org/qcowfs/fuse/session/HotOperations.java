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

/**
 * The requests that move data, answered straight from the request buffer: READ, LSEEK, WRITE,
 * FALLOCATE, FSYNC. Their file handles are those of {@link OpenFiles}.
 *
 * <p><b>Thread safety:</b> one per worker.
 */
final class HotOperations {
  private final DeviceChannel channel;
  private final OpenFiles files;
  private final FaultLog log;

  HotOperations(DeviceChannel channel, OpenFiles files, FaultLog log) {
    this.channel = channel;
    this.files = files;
    this.log = log;
  }

  /** Whether {@link #answer} knows the opcode. */
  static boolean isHot(int opcode) {
    return switch (opcode) {
      case READ, LSEEK, WRITE, FALLOCATE, FSYNC -> true;
      default -> false;
    };
  }

  /**
   * Answers the request in {@code channel}.
   *
   * @return 0, or the negative errno of a reply that could not be written
   */
  int answer(int opcode) {
    int errno;
    try {
      FileContent file = files.get(channel.request().getLong(FILE_HANDLE));
      if (file == null) {
        errno = Errno.EBADF;
      } else {
        switch (opcode) {
          case READ:
            return channel.replyData(read(file));
          case LSEEK:
            long found = seek(file);
            if (found >= 0) {
              channel.putReplyLong(found);
              return channel.replyData(SEEK_OUT);
            }
            errno = (int) -found;
            break;
          case FSYNC:
            // Nothing written, nothing to make durable: as on any read-only file system.
            return channel.replyData(0);
          default:
            errno = change();
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
   * SEEK_DATA and SEEK_HOLE; the kernel answers the other kinds itself. A file that can be written
   * will first have to make the kernel write back what it holds of the deciding range.
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

  /** WRITE and FALLOCATE: the one place where they are refused. */
  private static int change() {
    return Errno.EROFS;
  }
}
