package org.qcowfs.fuse.session;

import java.util.concurrent.LinkedBlockingQueue;
import org.qcowfs.fuse.tree.FaultLog;

/**
 * The thread for requests whose answer may have to wait until the kernel has written back what it
 * keeps. That takes WRITE requests, which need a free worker: so no worker ever waits for it.
 */
final class WaitingLane implements Runnable {
  private static final class Request {
    private final byte[] bytes;
    private final int descriptor;
    private final long receivedNanos;

    Request(byte[] bytes, int descriptor, long receivedNanos) {
      this.bytes = bytes;
      this.descriptor = descriptor;
      this.receivedNanos = receivedNanos;
    }

    /** The one that ends the thread. */
    boolean isEnd() {
      return bytes.length == 0;
    }
  }

  private final DeviceChannel channel;
  private final Responder responder;
  private final FaultLog log;
  private final LinkedBlockingQueue<Request> queue = new LinkedBlockingQueue<>();

  WaitingLane(DeviceChannel channel, Responder responder, FaultLog log) {
    this.channel = channel;
    this.responder = responder;
    this.log = log;
  }

  /** Takes over the request in {@code from}, which the caller then does not answer. */
  void take(DeviceChannel from, int length, long receivedNanos) {
    queue.add(new Request(from.copyRequest(length), from.descriptor(), receivedNanos));
  }

  /** Ends the thread when it has answered what it took. */
  void end() {
    queue.add(new Request(new byte[0], -1, 0));
  }

  @Override
  public void run() {
    while (true) {
      try {
        Request request = queue.take();
        if (request.isEnd()) {
          return;
        }
        channel.adopt(request.bytes, request.descriptor);
        responder.answer(request.bytes.length, request.receivedNanos);
      } catch (InterruptedException e) {
        // Nobody interrupts it; whoever does must not leave requests without an answer.
        log.line("the waiting lane was interrupted");
      } catch (Throwable e) {
        log.unexpected("the waiting lane", e);
      }
    }
  }
}
