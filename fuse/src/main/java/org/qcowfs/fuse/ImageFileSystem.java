package org.qcowfs.fuse;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import jnr.ffi.Pointer;
import jnr.ffi.Struct;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.engine.host.posix.PosixCalls;
import org.qcowfs.fuse.session.Session;
import org.qcowfs.fuse.stats.RequestStatistics;
import org.qcowfs.fuse.tree.ErrnoMapper;
import org.qcowfs.fuse.tree.FaultLog;
import org.qcowfs.fuse.tree.FileContent;
import org.qcowfs.fuse.tree.FileNode;
import org.qcowfs.fuse.tree.Folder;
import org.qcowfs.fuse.tree.MountTree;
import org.qcowfs.fuse.tree.Node;
import org.qcowfs.fuse.tree.OpenFiles;
import org.qcowfs.fuse.tree.SafeName;
import ru.serce.jnrfuse.FuseFillDir;
import ru.serce.jnrfuse.FuseStubFS;
import ru.serce.jnrfuse.struct.FileStat;
import ru.serce.jnrfuse.struct.FuseFileInfo;
import ru.serce.jnrfuse.struct.Statvfs;
import ru.serce.jnrfuse.struct.Timespec;

/**
 * The operations that name a path, as jnr-fuse calls them: attributes, listing, open. The bytes
 * themselves never come through here: {@code session.HotOperations} answers them by file handle.
 *
 * <p>What is not overridden is answered by libfuse's default.
 */
final class ImageFileSystem extends FuseStubFS {
  private static final int S_IFDIR = 0040000;
  private static final int S_IFREG = 0100000;
  private static final int FOLDER_MODE = S_IFDIR | 0555;
  private static final int WRITABLE_FOLDER_MODE = S_IFDIR | 0755;
  private static final int FILE_MODE = S_IFREG | 0444;
  private static final int WRITABLE_FILE_MODE = S_IFREG | 0644;
  private static final int O_ACCMODE = 3;

  /** The bit fields of {@code struct fuse_file_info}, whose place jnr-fuse has wrong. */
  private static final int FILE_INFO_BITS = 20;

  private static final int DIRECT_IO = 1;
  private static final int KEEP_CACHE = 2;
  private static final int BLOCK = 4096;
  private static final int MAX_NAME = 255;

  private final MountTree tree;
  private final Session.@Nullable Writing writing;
  private final OpenFiles files = new OpenFiles();
  private final RequestStatistics statistics;
  private final FaultLog log;
  private final int uid = PosixCalls.getuid();
  private final int gid = PosixCalls.getgid();
  private final AtomicReference<@Nullable Session> session = new AtomicReference<>();

  ImageFileSystem(
      MountTree tree,
      Session.@Nullable Writing writing,
      RequestStatistics statistics,
      FaultLog log) {
    this.tree = tree;
    this.writing = writing;
    this.statistics = statistics;
    this.log = log;
  }

  /** What a callback does; its result is 0 or a negative errno. */
  private interface Callback {
    int run() throws ImageException;
  }

  /** Runs a callback: an exception that left it would tell the kernel that all went well. */
  private int guarded(String operation, Callback callback) {
    try {
      return callback.run();
    } catch (ImageException e) {
      log.fault(e);
      return -ErrnoMapper.errno(e);
    } catch (Throwable e) {
      log.unexpected(operation, e);
      return -Errno.EIO;
    }
  }

  @Override
  public int getattr(String path, FileStat stat) {
    return guarded(
        "getattr",
        () -> {
          Node node = tree.find(path);
          if (node == null) {
            return -Errno.ENOENT;
          }
          fill(node, stat);
          return 0;
        });
  }

  private void fill(Node node, FileStat stat) throws ImageException {
    stat.st_ino.set(node.inode());
    stat.st_uid.set(uid);
    stat.st_gid.set(gid);
    // One link: the count of a folder's subfolders is not worth making them.
    stat.st_nlink.set(1);
    if (node instanceof FileNode file) {
      stat.st_mode.set(file.isWritable() ? WRITABLE_FILE_MODE : FILE_MODE);
      stat.st_size.set(file.size());
      stat.st_blocks.set((file.allocatedBytes() + 511) / 512);
      stat.st_blksize.set(file.blockSize());
    } else {
      boolean writable = node instanceof Folder folder && folder.isWritable();
      stat.st_mode.set(writable ? WRITABLE_FOLDER_MODE : FOLDER_MODE);
      stat.st_size.set(0);
      stat.st_blocks.set(0);
      stat.st_blksize.set(BLOCK);
    }
    for (var time : List.of(stat.st_atim, stat.st_mtim, stat.st_ctim)) {
      time.tv_sec.set(node.modified().seconds());
      time.tv_nsec.set(node.modified().nanos());
    }
  }

  @Override
  public int readdir(
      String path, Pointer buffer, FuseFillDir filler, long offset, FuseFileInfo info) {
    return guarded(
        "readdir",
        () -> {
          Node node = tree.find(path);
          if (node == null) {
            return -Errno.ENOENT;
          }
          if (!(node instanceof Folder folder)) {
            return -Errno.ENOTDIR;
          }
          // Only type and number: whatever costs a look at an image waits for getattr.
          FileStat stat = new FileStat(jnr.ffi.Runtime.getSystemRuntime());
          list(".", folder, stat, buffer, filler);
          list("..", folder, stat, buffer, filler);
          for (Map.Entry<String, Node> entry : folder.children().entrySet()) {
            list(entry.getKey(), entry.getValue(), stat, buffer, filler);
          }
          return 0;
        });
  }

  private static void list(
      String name, Node node, FileStat stat, Pointer buffer, FuseFillDir filler) {
    stat.st_ino.set(node.inode());
    stat.st_mode.set(node instanceof Folder ? FOLDER_MODE : FILE_MODE);
    byte[] utf8 = name.getBytes(StandardCharsets.UTF_8);
    ByteBuffer cName = ByteBuffer.allocateDirect(utf8.length + 1).put(0, utf8);
    filler.apply(buffer, cName, Struct.getMemory(stat), 0);
  }

  @Override
  public int open(String path, FuseFileInfo info) {
    return guarded(
        "open",
        () -> {
          Node node = tree.find(path);
          if (node == null) {
            return -Errno.ENOENT;
          }
          if (!(node instanceof FileNode file)) {
            return -Errno.EISDIR;
          }
          int flags = info.flags.get();
          boolean write = (flags & O_ACCMODE) != PosixCalls.O_RDONLY;
          if (write && !file.isWritable()) {
            return -Errno.EROFS;
          }
          // A program that reads past the kernel's cache can then be interrupted.
          boolean direct = file.isUncached() || (flags & PosixCalls.O_DIRECT) != 0;
          info.fh.set(files.add(write ? file.openForWriting() : file.open()));
          Pointer memory = Struct.getMemory(info);
          int bits = memory.getInt(FILE_INFO_BITS) | (direct ? DIRECT_IO : KEEP_CACHE);
          memory.putInt(FILE_INFO_BITS, bits);
          return 0;
        });
  }

  /**
   * A disk has the size it has: as with a block device, cutting it changes nothing. One that grows
   * is made larger.
   */
  @Override
  public int truncate(String path, long size) {
    return guarded(
        "truncate",
        () -> {
          Node node = tree.find(path);
          if (node == null) {
            return -Errno.ENOENT;
          }
          if (!(node instanceof FileNode file) || !file.isWritable()) {
            return -Errno.EROFS;
          }
          file.growTo(size);
          return 0;
        });
  }

  @Override
  public int ftruncate(String path, long size, FuseFileInfo info) {
    return truncate(path, size);
  }

  /** Accepted and forgotten: the times are those of the last change, whoever sets others. */
  @Override
  public int utimens(String path, Timespec[] times) {
    return truncate(path, 0);
  }

  @Override
  public int fsyncdir(String path, FuseFileInfo info) {
    return guarded(
        "fsyncdir",
        () -> {
          tree.flush();
          return 0;
        });
  }

  @Override
  public int release(String path, FuseFileInfo info) {
    return guarded(
        "release",
        () -> {
          FileContent file = files.remove(info.fh.get());
          if (file != null) {
            file.released();
          }
          return 0;
        });
  }

  @Override
  public int create(String path, long mode, FuseFileInfo info) {
    return -Errno.EROFS;
  }

  @Override
  public int mknod(String path, long mode, long device) {
    return -Errno.EROFS;
  }

  /** A folder made among the snapshots is a snapshot made. */
  @Override
  public int mkdir(String path, long mode) {
    return guarded(
        "mkdir",
        () -> {
          String name = snapshotName(path);
          if (name == null) {
            return -Errno.EROFS;
          }
          if (tree.find(path) != null) {
            return -Errno.EEXIST;
          }
          if (!SafeName.of(name).equals(name)) {
            return -Errno.EINVAL;
          }
          tree.createSnapshot(name);
          return 0;
        });
  }

  @Override
  public int rmdir(String path) {
    return guarded(
        "rmdir",
        () -> {
          String name = snapshotName(path);
          if (name == null) {
            return -Errno.EROFS;
          }
          if (tree.find(path) == null) {
            return -Errno.ENOENT;
          }
          tree.deleteSnapshot(name);
          return 0;
        });
  }

  /** The last name of a path right below a folder of snapshots that can change; else null. */
  private @Nullable String snapshotName(String path) {
    int slash = path.lastIndexOf('/');
    Node parent = tree.find(path.substring(0, slash));
    return parent instanceof Folder folder && folder.isWritable()
        ? path.substring(slash + 1)
        : null;
  }

  @Override
  public int unlink(String path) {
    return -Errno.EROFS;
  }

  @Override
  public int rename(String from, String to) {
    return -Errno.EROFS;
  }

  @Override
  public int symlink(String target, String path) {
    return -Errno.EROFS;
  }

  @Override
  public int link(String from, String to) {
    return -Errno.EROFS;
  }

  @Override
  public int chmod(String path, long mode) {
    return -Errno.EPERM;
  }

  @Override
  public int chown(String path, long owner, long group) {
    return -Errno.EPERM;
  }

  @Override
  public int statfs(String path, Statvfs out) {
    return guarded(
        "statfs",
        () -> {
          // Full, as every read-only file system is; nothing is asked of the image.
          out.f_bsize.set(BLOCK);
          out.f_frsize.set(BLOCK);
          out.f_namemax.set(MAX_NAME);
          return 0;
        });
  }

  /**
   * Mounts, and serves on threads of this JVM instead of libfuse's.
   *
   * @param options libfuse's arguments
   */
  @Override
  public void mount(Path mountPoint, boolean blocking, boolean debug, String[] options) {
    List<String> arguments = new ArrayList<>(List.of("qcowfs", "-f"));
    if (debug) {
      arguments.add("-d");
    }
    arguments.addAll(List.of(options));
    arguments.add(mountPoint.toString());
    this.mountPoint = mountPoint;
    // jnr-fuse keeps the table on the heap.
    byte[] operations = new byte[Struct.size(fuseOperations)];
    Struct.getMemory(fuseOperations).get(0, operations, 0, operations.length);
    Session made = Session.mount(arguments, operations);
    if (made == null) {
      return;
    }
    session.set(made);
    mounted.set(true);
    made.start(files, writing, statistics, log);
    if (blocking) {
      try {
        made.await();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /** The session after {@link #mount}, or null if libfuse refused. */
  @Nullable Session session() {
    return session.get();
  }

  /** Files now open. */
  int openFiles() {
    return files.count();
  }
}
