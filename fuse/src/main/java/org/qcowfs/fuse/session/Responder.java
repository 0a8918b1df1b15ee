package org.qcowfs.fuse.session;

import static org.qcowfs.fuse.session.WireFormat.INTERRUPT;

import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.fuse.tree.FaultLog;

/**
 * Has the request in a channel answered: by {@link HotOperations}, or by libfuse.
 *
 * <p><b>Thread safety:</b> one per channel.
 */
final class Responder {
  private final long session;
  private final DeviceChannel channel;
  private final HotOperations hot;
  private final FaultLog log;

  Responder(long session, DeviceChannel channel, HotOperations hot, FaultLog log) {
    this.session = session;
    this.channel = channel;
    this.hot = hot;
    this.log = log;
  }

  /** Answers the request of {@code length} bytes. */
  void answer(int length) {
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
      // Whatever it was, the next request must find its thread.
      log.unexpected("request " + opcode, e);
    }
  }
}
