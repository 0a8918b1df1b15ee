package org.qcowfs.fuse.session;

import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.fuse.tree.FaultLog;
import org.qcowfs.fuse.tree.OpenFiles;

/** One thread of the request loop: reads a request, has it answered, and again. */
final class Worker implements Runnable {
  private final DeviceChannel channel;
  private final Responder responder;
  private final @Nullable WaitingLane lane;
  private final OpenFiles files;
  private final FaultLog log;

  /**
   * @param lane takes the requests that may wait for the kernel; null if none can
   */
  Worker(
      DeviceChannel channel,
      Responder responder,
      @Nullable WaitingLane lane,
      OpenFiles files,
      FaultLog log) {
    this.channel = channel;
    this.responder = responder;
    this.lane = lane;
    this.files = files;
    this.log = log;
  }

  /** Serves until the file system is unmounted. */
  @Override
  public void run() {
    while (true) {
      int length = channel.receive();
      if (length >= 0) {
        long receivedNanos = System.nanoTime();
        if (lane != null && HotOperations.mayWait(channel, files)) {
          lane.take(channel, length, receivedNanos);
        } else {
          responder.answer(length, receivedNanos);
        }
      } else if (isOver(-length)) {
        return;
      }
    }
  }

  /** Whether a failed read of the device ends the loop. */
  private boolean isOver(int errno) {
    switch (errno) {
      // ENOENT: the request was taken back before we had it.
      case Errno.ENOENT, Errno.EINTR, Errno.EAGAIN:
        return false;
      case Errno.ENODEV:
        return true;
      case Errno.ECONNABORTED:
        log.line("the kernel aborted the connection");
        return true;
      default:
        log.line("could not read from /dev/fuse: " + Errno.text(errno));
        return true;
    }
  }
}
