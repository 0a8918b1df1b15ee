package org.qcowfs.engine.host.posix;

/**
 * What {@code statx} says of a file.
 *
 * @param errno 0, or why the call failed (then nothing else is meaningful)
 * @param mode file type and permission bits
 * @param sizeBytes length in bytes (0 for a block device)
 * @param blocks allocated blocks of 512 bytes
 * @param device device number, major in the upper half
 * @param inode inode number
 * @param mtimeSeconds modification time, seconds since the epoch
 * @param mtimeNanos nanoseconds within that second
 */
public record FileStatus(
    int errno,
    int mode,
    long sizeBytes,
    long blocks,
    long device,
    long inode,
    long mtimeSeconds,
    int mtimeNanos) {
  private static final int S_IFMT = 0170000;

  public boolean isRegularFile() {
    return (mode & S_IFMT) == 0100000;
  }

  public boolean isBlockDevice() {
    return (mode & S_IFMT) == 0060000;
  }

  /** The file's type in words, for messages. */
  public String typeName() {
    return switch (mode & S_IFMT) {
      case 0100000 -> "a regular file";
      case 0060000 -> "a block device";
      case 0040000 -> "a directory";
      case 0020000 -> "a character device";
      case 0010000 -> "a FIFO";
      case 0140000 -> "a socket";
      default -> "of an unknown type";
    };
  }
}
