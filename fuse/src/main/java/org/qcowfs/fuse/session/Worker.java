package org.qcowfs.fuse.session;

import static org.qcowfs.fuse.session.WireFormat.INTERRUPT;

import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.fuse.tree.FaultLog;
import org.qcowfs.fuse.tree.OpenFiles;

/** One thread of the request loop: reads a request, has it answered, and again. */
final class Worker implements Runnable {
  private final long session;
  private final DeviceChannel channel;
  private final HotOperations hot;
  private final FaultLog log;

  Worker(long session, DeviceChannel channel, OpenFiles files, FaultLog log) {
    this.session = session;
    this.channel = channel;
    this.hot = new HotOperations(channel, files, log);
    this.log = log;
  }

  /** Serves until the file system is unmounted. */
  @Override
  public void run() {
    while (true) {
      int length = channel.receive();
      if (length >= 0) {
        serve(length);
      } else if (isOver(-length)) {
        return;
      }
    }
  }

  private void serve(int length) {
    int opcode = channel.opcode();
    try {
      if (HotOperations.isHot(opcode)) {
        int result = hot.answer(opcode);
        if (result < 0 && !DeviceChannel.isRequesterGone(result)) {
          log.line("could not answer request " + opcode + ": " + Errno.text(-result));
        }
      } else if (opcode != INTERRUPT) {
        channel.process(session, length);
      }
    } catch (Throwable e) {
      // Whatever it was, the next request must find a worker.
      log.unexpected("request " + opcode, e);
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
