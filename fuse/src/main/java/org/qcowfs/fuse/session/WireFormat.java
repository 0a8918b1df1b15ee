package org.qcowfs.fuse.session;

/**
 * Offsets and numbers of the kernel's FUSE protocol ({@code include/uapi/linux/fuse.h}), bytes from
 * the start of the request or reply; all fields are in the machine's byte order.
 */
final class WireFormat {
  // struct fuse_in_header
  static final int IN_OPCODE = 4;
  static final int IN_UNIQUE = 8;
  static final int IN_NODE = 16;
  static final int IN_PID = 32;
  static final int IN_HEADER = 40;

  // struct fuse_out_header
  static final int OUT_LENGTH = 0;
  static final int OUT_ERROR = 4;
  static final int OUT_UNIQUE = 8;
  static final int OUT_HEADER = 16;

  // opcodes
  static final int MKDIR = 9;
  static final int RMDIR = 11;
  static final int OPEN = 14;
  static final int READ = 15;
  static final int WRITE = 16;
  static final int FSYNC = 20;
  static final int FLUSH = 25;
  static final int INIT = 26;
  static final int FSYNCDIR = 30;
  static final int INTERRUPT = 36;
  static final int FALLOCATE = 43;
  static final int LSEEK = 46;

  /** struct fuse_interrupt_in: the number of the request to interrupt. */
  static final int INTERRUPTED_UNIQUE = IN_HEADER;

  // struct fuse_read_in, fuse_write_in, fuse_lseek_in, fuse_fallocate_in, fuse_fsync_in
  static final int FILE_HANDLE = IN_HEADER;
  static final int OFFSET = 48;
  static final int READ_SIZE = 56;
  static final int SEEK_WHENCE = 56;
  static final int WRITE_SIZE = 56;
  static final int WRITE_FLAGS = 60;
  static final int WRITE_OPEN_FLAGS = 72;
  static final int WRITE_IN = 80;
  static final int FALLOCATE_LENGTH = 56;
  static final int FALLOCATE_MODE = 64;

  /** In {@link #WRITE_FLAGS}: the kernel writes back what it took long ago. */
  static final int FUSE_WRITE_CACHE = 1;

  /** struct fuse_open_in: the flags of open(2). */
  static final int OPEN_FLAGS = IN_HEADER;

  static final int O_ACCMODE = 3;
  static final int O_DSYNC = 010000;

  /** struct fuse_write_out: the count, and padding. */
  static final int WRITE_OUT = 8;

  /** struct fuse_lseek_out: the offset found. */
  static final int SEEK_OUT = 8;

  // struct fuse_init_in, from the start of the request
  static final int INIT_IN_MINOR = 44;
  static final int INIT_IN_FLAGS = 52;
  static final int INIT_IN_FLAGS2 = 56;

  // struct fuse_init_out, from the start of the reply
  static final int INIT_OUT_MINOR = 20;
  static final int INIT_OUT_MAX_READAHEAD = 24;
  static final int INIT_OUT_FLAGS = 28;
  static final int INIT_OUT_MAX_WRITE = 36;
  static final int INIT_OUT_TIME_GRANULARITY = 40;
  static final int INIT_OUT_MAX_PAGES = 44;
  static final int INIT_OUT_FLAGS2 = 48;

  /** The reply with {@code struct fuse_init_out} of protocol 7.23 and later. */
  static final int INIT_REPLY = OUT_HEADER + 64;

  // INIT flags
  static final int FUSE_ASYNC_READ = 1;
  static final int FUSE_ATOMIC_O_TRUNC = 1 << 3;
  static final int FUSE_BIG_WRITES = 1 << 5;
  static final int FUSE_ASYNC_DIO = 1 << 15;
  static final int FUSE_WRITEBACK_CACHE = 1 << 16;
  static final int FUSE_PARALLEL_DIROPS = 1 << 18;
  static final int FUSE_MAX_PAGES = 1 << 22;

  /** The second word of flags is there. */
  static final int FUSE_INIT_EXT = 1 << 30;

  /** In the second word: shared mappings of files opened with FOPEN_DIRECT_IO. */
  static final int FUSE_DIRECT_IO_ALLOW_MMAP = 1 << 4;

  // struct fuse_notify_inval_inode_out, after an out header with this in the error field
  static final int FUSE_NOTIFY_INVAL_INODE = 2;
  static final int NOTIFY_NODE = 16;
  static final int NOTIFY_OFFSET = 24;
  static final int NOTIFY_LENGTH = 32;
  static final int NOTIFY_INVAL_INODE = 40;

  // struct fuse_open_out, from the start of the reply
  static final int OPEN_OUT_FLAGS = 24;
  static final int OPEN_REPLY = OUT_HEADER + 16;

  // open flags
  static final int FOPEN_DIRECT_IO = 1;
  static final int FOPEN_PARALLEL_DIRECT_WRITES = 1 << 6;

  /** {@code _IOR(229, 0, uint32_t)}: makes a freshly opened device another one of this mount. */
  static final long FUSE_DEV_IOC_CLONE = 0x8004e500L;

  private WireFormat() {}
}
