package org.qcowfs.fuse.session;

import static org.qcowfs.fuse.session.WireFormat.*;

import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.fuse.stats.Operation;
import org.qcowfs.fuse.stats.RequestRecorder;
import org.qcowfs.fuse.tree.FaultLog;

/**
 * Has the request in a channel answered, by {@link HotOperations} or by libfuse, and records it.
 *
 * <p><b>Thread safety:</b> one per channel.
 */
final class Responder {
  private final long session;
  private final DeviceChannel channel;
  private final HotOperations hot;
  private final RequestRecorder recorder;
  private final FaultLog log;

  Responder(
      long session,
      DeviceChannel channel,
      HotOperations hot,
      RequestRecorder recorder,
      FaultLog log) {
    this.session = session;
    this.channel = channel;
    this.hot = hot;
    this.recorder = recorder;
    this.log = log;
  }

  /**
   * Answers the request of {@code length} bytes.
   *
   * @param receivedNanos when it was received, {@link System#nanoTime}
   */
  void answer(int length, long receivedNanos) {
    int opcode = channel.opcode();
    recorder.received(receivedNanos);
    channel.forgetError();
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
    Operation operation = operation(opcode);
    recorder.answered(
        operation,
        System.nanoTime() - receivedNanos,
        hasOffset(operation) ? channel.request().getLong(OFFSET) : 0,
        operation == Operation.OTHER ? 0 : hot.bytes(),
        isFailure(operation, channel.error()));
  }

  private static boolean hasOffset(Operation operation) {
    return switch (operation) {
      case READ, WRITE, LSEEK, FALLOCATE -> true;
      case FSYNC, FLUSH, OTHER -> false;
    };
  }

  private static Operation operation(int opcode) {
    return switch (opcode) {
      case READ -> Operation.READ;
      case WRITE -> Operation.WRITE;
      case LSEEK -> Operation.LSEEK;
      case FALLOCATE -> Operation.FALLOCATE;
      case FSYNC -> Operation.FSYNC;
      case FLUSH -> Operation.FLUSH;
      default -> Operation.OTHER;
    };
  }

  /** Whether an errno is more than an ordinary answer. */
  private static boolean isFailure(Operation operation, int errno) {
    return switch (errno) {
      case 0 -> false;
      case Errno.ENXIO -> operation != Operation.LSEEK;
      case Errno.ENOENT, Errno.ENOSYS, Errno.EROFS, Errno.EEXIST -> operation != Operation.OTHER;
      default -> true;
    };
  }
}
