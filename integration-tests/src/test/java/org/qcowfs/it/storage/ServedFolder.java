package org.qcowfs.it.storage;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.Map;
import java.util.Objects;
import jnr.ffi.Pointer;
import jnr.ffi.Struct;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.PosixHostFile;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.fuse.tree.FileContent;
import org.qcowfs.fuse.tree.OpenFiles;
import org.qcowfs.it.storage.Faults.Call;
import ru.serce.jnrfuse.FuseFillDir;
import ru.serce.jnrfuse.FuseStubFS;
import ru.serce.jnrfuse.struct.FileStat;
import ru.serce.jnrfuse.struct.Flock;
import ru.serce.jnrfuse.struct.FuseFileInfo;
import ru.serce.jnrfuse.struct.Timespec;

/** The operations of a {@link BadStorage} that name a path; the bytes are {@link ServedFile}'s. */
final class ServedFolder extends FuseStubFS {
  private static final int FILE_INFO_BITS = 20;
  private static final int DIRECT_IO = 1;
  private static final int O_ACCMODE = 3;
  private static final int READ_BY_ALL = 0444;
  private static final short F_UNLCK = 2;

  private final Path folder;
  private final OpenFiles files;
  private final Faults faults;
  private final boolean writable;

  ServedFolder(Path folder, OpenFiles files, Faults faults, boolean writable) {
    this.folder = folder;
    this.files = files;
    this.faults = faults;
    this.writable = writable;
  }

  /** The bytes of {@code struct fuse_operations}. */
  byte[] table() {
    byte[] operations = new byte[Struct.size(fuseOperations)];
    Struct.getMemory(fuseOperations).get(0, operations, 0, operations.length);
    return operations;
  }

  private interface Callback {
    int run() throws IOException, ImageException;
  }

  /**
   * Runs a callback, unless the call is to hang or to fail: the root never does. An exception that
   * left it would tell the kernel that all went well.
   */
  private int guarded(Call call, String path, Callback callback) {
    if (!path.equals("/")) {
      faults.awaitRelease(call);
    }
    int errno = faults.errno(call);
    if (errno != 0 && !path.equals("/")) {
      return -errno;
    }
    try {
      return callback.run();
    } catch (NoSuchFileException e) {
      return -Errno.ENOENT;
    } catch (Throwable e) {
      return -Errno.EIO;
    }
  }

  private Path real(String path) {
    return folder.resolve(path.substring(1));
  }

  @Override
  public int getattr(String path, FileStat stat) {
    return guarded(
        Call.STAT,
        path,
        () -> {
          Map<String, Object> real = Files.readAttributes(real(path), "unix:*");
          stat.st_ino.set(number(real, "ino"));
          stat.st_mode.set(number(real, "mode"));
          stat.st_nlink.set(number(real, "nlink"));
          stat.st_uid.set(number(real, "uid"));
          stat.st_gid.set(number(real, "gid"));
          stat.st_size.set(number(real, "size"));
          stat.st_blocks.set((number(real, "size") + 511) / 512);
          stat.st_blksize.set(4096);
          set(stat.st_atim, (FileTime) attribute(real, "lastAccessTime"));
          set(stat.st_mtim, (FileTime) attribute(real, "lastModifiedTime"));
          set(stat.st_ctim, (FileTime) attribute(real, "ctime"));
          return 0;
        });
  }

  private static Object attribute(Map<String, Object> attributes, String name) {
    return Objects.requireNonNull(attributes.get(name), name);
  }

  private static long number(Map<String, Object> attributes, String name) {
    return ((Number) attribute(attributes, name)).longValue();
  }

  private static void set(Timespec time, FileTime value) {
    Instant instant = value.toInstant();
    time.tv_sec.set(instant.getEpochSecond());
    time.tv_nsec.set(instant.getNano());
  }

  @Override
  public int readdir(
      String path, Pointer buffer, FuseFillDir filler, long offset, FuseFileInfo info) {
    return guarded(
        Call.OPEN,
        path,
        () -> {
          list(".", buffer, filler);
          list("..", buffer, filler);
          try (DirectoryStream<Path> children = Files.newDirectoryStream(real(path))) {
            for (Path child : children) {
              list(String.valueOf(child.getFileName()), buffer, filler);
            }
          }
          return 0;
        });
  }

  private static void list(String name, Pointer buffer, FuseFillDir filler) {
    byte[] utf8 = name.getBytes(StandardCharsets.UTF_8);
    filler.apply(buffer, ByteBuffer.allocateDirect(utf8.length + 1).put(0, utf8), null, 0);
  }

  @Override
  public int open(String path, FuseFileInfo info) {
    return guarded(
        Call.OPEN,
        path,
        () -> {
          boolean write = (info.flags.get() & O_ACCMODE) != 0;
          if (write && !writable) {
            return -Errno.EROFS;
          }
          Path real = real(path);
          int mode = (Integer) Files.getAttribute(real, "unix:mode");
          if (faults.isRootSquashed()
              && getContext().uid.get() == 0
              && (mode & READ_BY_ALL) != READ_BY_ALL) {
            return -Errno.EACCES;
          }
          PosixHostFile file = PosixHostFile.open(real.toString(), write);
          info.fh.set(
              files.add(
                  write ? new ServedFile.Writer(file, faults) : new ServedFile(file, faults)));
          Pointer memory = Struct.getMemory(info);
          memory.putInt(
              FILE_INFO_BITS, memory.getInt(FILE_INFO_BITS) | (faults.isCached() ? 0 : DIRECT_IO));
          return 0;
        });
  }

  @Override
  public int release(String path, FuseFileInfo info) {
    try {
      FileContent file = files.remove(info.fh.get());
      if (file != null) {
        file.released();
      }
    } catch (Throwable e) {
      return -Errno.EIO;
    }
    return 0;
  }

  @Override
  public int truncate(String path, long size) {
    return guarded(
        Call.WRITE,
        path,
        () -> {
          if (!writable) {
            return -Errno.EROFS;
          }
          try (FileChannel channel = FileChannel.open(real(path), StandardOpenOption.WRITE)) {
            if (channel.size() > size) {
              channel.truncate(size);
            } else if (channel.size() < size) {
              channel.write(ByteBuffer.allocate(1), size - 1);
            }
          }
          return 0;
        });
  }

  @Override
  public int ftruncate(String path, long size, FuseFileInfo info) {
    return truncate(path, size);
  }

  /** That it is there makes the kernel ask; nobody excludes anybody. */
  @Override
  public int lock(String path, FuseFileInfo info, int command, Flock flock) {
    return guarded(
        Call.LOCK,
        path,
        () -> {
          flock.l_type.set(F_UNLCK);
          return 0;
        });
  }
}
