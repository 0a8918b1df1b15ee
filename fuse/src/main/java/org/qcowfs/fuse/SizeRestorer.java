package org.qcowfs.fuse;

import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongSupplier;
import org.qcowfs.engine.host.posix.FileStatus;
import org.qcowfs.engine.host.posix.PosixCalls;
import org.qcowfs.fuse.system.MountTable;

/**
 * Tells the kernel the size of the disk. With its writeback cache it trusts its own idea of a
 * file's size more than ours, and that is wrong twice: for the root of a flat mount, which it takes
 * for empty before it has asked anything, and when it took a write past the end and believes that
 * the file has grown. Only cutting the file to a size makes it take that size.
 */
final class SizeRestorer implements Runnable {
  private final Path disk;
  private final LongSupplier size;
  private final AtomicBoolean waiting = new AtomicBoolean();

  /**
   * @param disk where the disk is mounted
   * @param size its size in bytes now
   */
  SizeRestorer(Path disk, LongSupplier size) {
    this.disk = disk;
    this.size = size;
  }

  /** On a thread of its own: the call waits for requests that the caller has to answer. */
  @Override
  public void run() {
    if (waiting.compareAndSet(false, true)) {
      Thread thread = new Thread(this::restore, "fuse-size");
      thread.setDaemon(true);
      thread.start();
    }
  }

  /** Waits until the kernel has the size; not to be called by a worker. */
  void restore() {
    int fd = PosixCalls.open(disk.toString(), PosixCalls.O_RDWR | PosixCalls.O_CLOEXEC);
    waiting.set(false);
    if (fd < 0) {
      return;
    }
    // Unmounted meanwhile, the path may lead to somebody else's file.
    FileStatus status = PosixCalls.fstat(fd);
    String device = (status.device() >>> 32) + ":" + (status.device() & 0xffff_ffffL);
    boolean isOurs =
        MountTable.entries().stream()
            .anyMatch(e -> e.device().equals(device) && e.type().equals(MountTable.TYPE));
    if (isOurs && status.sizeBytes() != size.getAsLong()) {
      PosixCalls.ftruncate(fd, size.getAsLong());
    }
    PosixCalls.close(fd);
  }
}
