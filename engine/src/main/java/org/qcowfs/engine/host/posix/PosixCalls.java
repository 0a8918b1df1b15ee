package org.qcowfs.engine.host.posix;

import com.kenai.jffi.CallContext;
import com.kenai.jffi.CallingConvention;
import com.kenai.jffi.Invoker;
import com.kenai.jffi.LastError;
import com.kenai.jffi.Library;
import com.kenai.jffi.MemoryIO;
import com.kenai.jffi.Type;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Linux system calls by their C names; -1 means failure, with the reason in {@link #errno()}.
 *
 * <p><b>Thread safety:</b> all calls may be made from any thread; errno is per thread.
 */
public final class PosixCalls {
  public static final int O_RDONLY = 0;
  public static final int O_RDWR = 2;
  public static final int O_CREAT = 0100;
  public static final int O_EXCL = 0200;
  public static final int O_TRUNC = 01000;
  public static final int O_NONBLOCK = 04000;
  public static final int O_CLOEXEC = 02000000;

  /** O_DIRECT differs between architectures. */
  public static final int O_DIRECT =
      System.getProperty("os.arch", "").equals("aarch64") ? 0200000 : 040000;

  public static final int SEEK_END = 2;
  public static final int SEEK_DATA = 3;
  public static final int SEEK_HOLE = 4;

  public static final int FALLOC_FL_KEEP_SIZE = 1;
  public static final int FALLOC_FL_PUNCH_HOLE = 2;
  public static final int FALLOC_FL_ZERO_RANGE = 16;

  public static final int F_OFD_GETLK = 36;
  public static final int F_OFD_SETLK = 37;
  public static final int F_RDLCK = 0;
  public static final int F_WRLCK = 1;
  public static final int F_UNLCK = 2;

  /** Unmounts now for new opens, later for those who still use it. */
  public static final int MNT_DETACH = 2;

  /** Refuses to follow a symbolic link at the mount point. */
  public static final int UMOUNT_NOFOLLOW = 8;

  private static final Library LIBC = libc();
  private static final Invoker INVOKER = Invoker.getInstance();
  private static final MemoryIO MEMORY = MemoryIO.getInstance();
  private static final LastError LAST_ERROR = LastError.getInstance();

  private static final int SYNC_FILE_RANGE_WRITE = 2;
  private static final long FICLONERANGE = 0x4020940d;

  private static final CallContext LONG_0 = context(0);
  private static final CallContext LONG_1 = context(1);
  private static final CallContext LONG_2 = context(2);
  private static final CallContext LONG_3 = context(3);
  private static final CallContext LONG_4 = context(4);
  private static final CallContext LONG_5 = context(5);

  private static final long OPEN = symbol("open64");
  private static final long CLOSE = symbol("close");
  private static final long READ = symbol("read");
  private static final long WRITE = symbol("write");
  private static final long WRITEV = symbol("writev");
  private static final long PREAD = symbol("pread64");
  private static final long PWRITE = symbol("pwrite64");
  private static final long LSEEK = symbol("lseek64");
  private static final long FTRUNCATE = symbol("ftruncate64");
  private static final long FALLOCATE = symbol("fallocate64");
  private static final long FDATASYNC = symbol("fdatasync");
  private static final long SYNC_FILE_RANGE = symbol("sync_file_range");
  private static final long FADVISE = symbol("posix_fadvise64", "posix_fadvise");
  private static final long FCNTL = symbol("fcntl64", "fcntl");
  private static final long STATX = symbol("statx");
  private static final long IOCTL = symbol("ioctl");
  private static final long DUP = symbol("dup");
  private static final long DUP2 = symbol("dup2");
  private static final long STATFS = symbol("statfs64", "statfs");
  private static final long FSTATFS = symbol("fstatfs64", "fstatfs");
  private static final long UMOUNT2 = symbol("umount2");
  private static final long GETEUID = symbol("geteuid");
  private static final long GETUID = symbol("getuid");
  private static final long GETGID = symbol("getgid");
  private static final long SETSID = symbol("setsid");
  private static final long CHDIR = symbol("chdir");
  private static final long SIGNAL = symbol("signal");
  private static final long OPENLOG = symbol("openlog");
  private static final long SYSLOG = symbol("syslog");

  private PosixCalls() {}

  private static Library libc() {
    Library library = Library.getCachedInstance("libc.so.6", Library.LAZY);
    if (library == null) {
      throw new UnsatisfiedLinkError("libc.so.6: " + Library.getLastError());
    }
    return library;
  }

  private static long symbol(String... names) {
    for (String name : names) {
      long address = LIBC.getSymbolAddress(name);
      if (address != 0) {
        return address;
      }
    }
    throw new UnsatisfiedLinkError("libc.so.6 has no " + names[0]);
  }

  private static CallContext context(int arguments) {
    Type[] types = new Type[arguments];
    Arrays.fill(types, Type.SINT64);
    return CallContext.getCallContext(Type.SINT64, types, CallingConvention.DEFAULT, true);
  }

  /** The reason of this thread's last failed call. */
  public static int errno() {
    return LAST_ERROR.get();
  }

  /** Sign-extends what a C function declared {@code int} returned. */
  private static int asInt(long result) {
    return (int) result;
  }

  /** Opens {@code path}; a created file gets mode 0666 less the umask. */
  public static int open(String path, int flags) {
    long cPath = cString(path);
    try {
      return asInt(INVOKER.invokeN3(LONG_3, OPEN, cPath, flags, 0666));
    } finally {
      MEMORY.freeMemory(cPath);
    }
  }

  public static int close(int fd) {
    return asInt(INVOKER.invokeN1(LONG_1, CLOSE, fd));
  }

  public static long read(int fd, long address, long length) {
    return INVOKER.invokeN3(LONG_3, READ, fd, address, length);
  }

  public static long write(int fd, long address, long length) {
    return INVOKER.invokeN3(LONG_3, WRITE, fd, address, length);
  }

  /** Writes {@code count} {@code struct iovec}s found at {@code iov}. */
  public static long writev(int fd, long iov, long count) {
    return INVOKER.invokeN3(LONG_3, WRITEV, fd, iov, count);
  }

  public static long pread(int fd, long address, long length, long offset) {
    return INVOKER.invokeN4(LONG_4, PREAD, fd, address, length, offset);
  }

  public static long pwrite(int fd, long address, long length, long offset) {
    return INVOKER.invokeN4(LONG_4, PWRITE, fd, address, length, offset);
  }

  public static long lseek(int fd, long offset, int whence) {
    return INVOKER.invokeN3(LONG_3, LSEEK, fd, offset, whence);
  }

  public static int ftruncate(int fd, long length) {
    return asInt(INVOKER.invokeN2(LONG_2, FTRUNCATE, fd, length));
  }

  public static int fallocate(int fd, int mode, long offset, long length) {
    return asInt(INVOKER.invokeN4(LONG_4, FALLOCATE, fd, mode, offset, length));
  }

  public static int fdatasync(int fd) {
    return asInt(INVOKER.invokeN1(LONG_1, FDATASYNC, fd));
  }

  /** {@code ioctl(FICLONERANGE)}: the files share the blocks of the range afterwards. */
  public static int cloneRange(int from, long fromOffset, int to, long toOffset, long length) {
    // struct file_clone_range: src_fd i64 @0, src_offset u64 @8, src_length u64 @16,
    // dest_offset u64 @24
    long range = MEMORY.allocateMemory(32, false);
    try {
      MEMORY.putLong(range, from);
      MEMORY.putLong(range + 8, fromOffset);
      MEMORY.putLong(range + 16, length);
      MEMORY.putLong(range + 24, toOffset);
      return asInt(INVOKER.invokeN3(LONG_3, IOCTL, to, FICLONERANGE, range));
    } finally {
      MEMORY.freeMemory(range);
    }
  }

  /** {@code sync_file_range} with {@code SYNC_FILE_RANGE_WRITE}: begins, and waits for nothing. */
  public static int startWriteout(int fd, long offset, long length) {
    return asInt(
        INVOKER.invokeN4(LONG_4, SYNC_FILE_RANGE, fd, offset, length, SYNC_FILE_RANGE_WRITE));
  }

  /** Has the kernel read a range into its cache; does not wait. Returns 0 or the errno. */
  public static int willNeed(int fd, long offset, long length) {
    return asInt(
        INVOKER.invokeN4(LONG_4, FADVISE, fd, offset, length, 3 /* POSIX_FADV_WILLNEED */));
  }

  public static int fcntl(int fd, int command, long argument) {
    return asInt(INVOKER.invokeN3(LONG_3, FCNTL, fd, command, argument));
  }

  /** An {@code ioctl} whose argument points at one 32-bit number. */
  public static int ioctl(int fd, long request, int argument) {
    long pointer = MEMORY.allocateMemory(8, true);
    try {
      MEMORY.putInt(pointer, argument);
      return asInt(INVOKER.invokeN3(LONG_3, IOCTL, fd, request, pointer));
    } finally {
      MEMORY.freeMemory(pointer);
    }
  }

  public static int dup(int fd) {
    return asInt(INVOKER.invokeN1(LONG_1, DUP, fd));
  }

  public static int dup2(int fd, int target) {
    return asInt(INVOKER.invokeN2(LONG_2, DUP2, fd, target));
  }

  /** Asks the file system at {@code path} about itself, which makes it answer a request. */
  public static int statfs(String path) {
    long cPath = cString(path);
    long out = MEMORY.allocateMemory(256, true);
    try {
      return asInt(INVOKER.invokeN2(LONG_2, STATFS, cPath, out));
    } finally {
      MEMORY.freeMemory(out);
      MEMORY.freeMemory(cPath);
    }
  }

  /** Bytes an ordinary user may still use of the file system of an open file, or -1. */
  public static long availableBytes(int fd) {
    // struct statfs: f_bsize i64 @8, f_bavail u64 @32
    long out = MEMORY.allocateMemory(256, true);
    try {
      return asInt(INVOKER.invokeN2(LONG_2, FSTATFS, fd, out)) != 0
          ? -1
          : MEMORY.getLong(out + 8) * MEMORY.getLong(out + 32);
    } finally {
      MEMORY.freeMemory(out);
    }
  }

  /**
   * Unmounts.
   *
   * @param flags {@link #MNT_DETACH}, {@link #UMOUNT_NOFOLLOW}
   */
  public static int umount2(String path, int flags) {
    long cPath = cString(path);
    try {
      return asInt(INVOKER.invokeN2(LONG_2, UMOUNT2, cPath, flags));
    } finally {
      MEMORY.freeMemory(cPath);
    }
  }

  public static int geteuid() {
    return asInt(INVOKER.invokeN0(LONG_0, GETEUID));
  }

  public static int getuid() {
    return asInt(INVOKER.invokeN0(LONG_0, GETUID));
  }

  public static int getgid() {
    return asInt(INVOKER.invokeN0(LONG_0, GETGID));
  }

  /** Leaves the terminal: a session of its own. */
  public static int setsid() {
    return asInt(INVOKER.invokeN0(LONG_0, SETSID));
  }

  public static int chdir(String path) {
    long cPath = cString(path);
    try {
      return asInt(INVOKER.invokeN1(LONG_1, CHDIR, cPath));
    } finally {
      MEMORY.freeMemory(cPath);
    }
  }

  /** Gives a signal its default action back, as a shell takes it from a background job. */
  public static void signalDefault(int signal) {
    INVOKER.invokeN2(LONG_2, SIGNAL, signal, 0);
  }

  /** Begins each later {@link #syslog} line with {@code name} and the process number. */
  public static void openlog(String name) {
    // The C library keeps the pointer, so it is never freed.
    INVOKER.invokeN3(LONG_3, OPENLOG, cString(name), 1 /* LOG_PID */, 3 << 3 /* LOG_DAEMON */);
  }

  /** Sends a line to the system log, priority "error". */
  public static void syslog(String line) {
    long format = cString("%s");
    long text = cString(line);
    try {
      INVOKER.invokeN3(LONG_3, SYSLOG, 3 /* LOG_ERR */, format, text);
    } finally {
      MEMORY.freeMemory(text);
      MEMORY.freeMemory(format);
    }
  }

  /**
   * Sets or tests an open-file-description byte lock.
   *
   * @param command {@link #F_OFD_SETLK} or {@link #F_OFD_GETLK}
   * @param type {@link #F_RDLCK}, {@link #F_WRLCK} or {@link #F_UNLCK}
   * @return for SETLK 0, for GETLK the type of the conflicting lock ({@link #F_UNLCK} if none); -1
   *     on failure
   */
  public static int ofdLock(int fd, int command, int type, long start, long length) {
    // struct flock: l_type i16 @0, l_whence i16 @2, l_start i64 @8, l_len i64 @16, l_pid i32 @24
    long flock = MEMORY.allocateMemory(32, true);
    try {
      MEMORY.putShort(flock, (short) type);
      MEMORY.putLong(flock + 8, start);
      MEMORY.putLong(flock + 16, length);
      int result = fcntl(fd, command, flock);
      return result == 0 && command == F_OFD_GETLK ? MEMORY.getShort(flock) : result;
    } finally {
      MEMORY.freeMemory(flock);
    }
  }

  /** Asks the kernel about an open file. */
  public static FileStatus fstat(int fd) {
    return statx(fd, "", 0x1000 /* AT_EMPTY_PATH */);
  }

  private static FileStatus statx(int fd, String path, int flags) {
    long cPath = cString(path);
    long out = MEMORY.allocateMemory(256, true);
    try {
      int result = asInt(INVOKER.invokeN5(LONG_5, STATX, fd, cPath, flags, 0x7ff, out));
      if (result != 0) {
        return new FileStatus(errno(), 0, 0, 0, 0, 0, 0, 0);
      }
      // struct statx: stx_mode u16 @28, stx_ino u64 @32, stx_size u64 @40, stx_blocks u64 @48,
      // stx_mtime {i64 sec @112, u32 nsec @120}, stx_dev_major u32 @136, stx_dev_minor u32 @140
      return new FileStatus(
          0,
          Short.toUnsignedInt(MEMORY.getShort(out + 28)),
          MEMORY.getLong(out + 40),
          MEMORY.getLong(out + 48),
          ((long) MEMORY.getInt(out + 136) << 32)
              | Integer.toUnsignedLong(MEMORY.getInt(out + 140)),
          MEMORY.getLong(out + 32),
          MEMORY.getLong(out + 112),
          MEMORY.getInt(out + 120));
    } finally {
      MEMORY.freeMemory(out);
      MEMORY.freeMemory(cPath);
    }
  }

  /** A zero-terminated copy in native memory; the caller frees it. */
  private static long cString(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    long address = MEMORY.allocateMemory(bytes.length + 1L, false);
    MEMORY.putZeroTerminatedByteArray(address, bytes, 0, bytes.length);
    return address;
  }
}
