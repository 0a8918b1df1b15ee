package org.qcowfs.fuse;

import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;
import org.qcowfs.engine.host.posix.FileStatus;
import org.qcowfs.engine.host.posix.PosixCalls;
import org.qcowfs.fuse.system.MountTable;

/**
 * Tells the kernel the size of the disk again. With its writeback cache the kernel takes writes
 * past the end without asking, and then believes that the file has grown; only cutting the file
 * makes it ask us. On a thread of its own: the call waits for requests that we have to answer.
 */
final class SizeRestorer implements Runnable {
  private final Path disk;
  private final long size;
  private final AtomicBoolean waiting = new AtomicBoolean();

  /**
   * @param disk where the disk is mounted
   */
  SizeRestorer(Path disk, long size) {
    this.disk = disk;
    this.size = size;
  }

  @Override
  public void run() {
    if (waiting.compareAndSet(false, true)) {
      Thread thread = new Thread(this::restore, "fuse-size");
      thread.setDaemon(true);
      thread.start();
    }
  }

  private void restore() {
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
    if (isOurs && status.sizeBytes() > size) {
      PosixCalls.ftruncate(fd, size);
    }
    PosixCalls.close(fd);
  }
}
