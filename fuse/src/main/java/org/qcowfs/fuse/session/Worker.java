package org.qcowfs.fuse.session;

import static org.qcowfs.fuse.session.WireFormat.INTERRUPT;
import static org.qcowfs.fuse.session.WireFormat.INTERRUPTED_UNIQUE;

import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.fuse.tree.FaultLog;
import org.qcowfs.fuse.tree.OpenFiles;

/** One thread of the request loop: reads a request, has it answered, and again. */
final class Worker {
  private final int number;
  private final DeviceChannel channel;
  private final Responder responder;
  private final @Nullable WaitingLane lane;
  private final OpenFiles files;
  private final Interrupts interrupts;
  private final Runnable leaving;
  private final FaultLog log;
  private @Nullable Thread thread;
  private volatile int threadNumber;

  /**
   * @param number of the worker in its session, from 0 on
   * @param lane takes the requests that may wait for the kernel; null if none can
   * @param interrupts is told of requests to interrupt
   * @param leaving is run when the thread has ended
   */
  Worker(
      int number,
      DeviceChannel channel,
      Responder responder,
      @Nullable WaitingLane lane,
      OpenFiles files,
      Interrupts interrupts,
      Runnable leaving,
      FaultLog log) {
    this.number = number;
    this.channel = channel;
    this.responder = responder;
    this.lane = lane;
    this.files = files;
    this.interrupts = interrupts;
    this.leaving = leaving;
    this.log = log;
  }

  /** Starts the thread, which serves until the file system is unmounted or it is surplus. */
  void start(WorkerPool pool) {
    Thread made = new Thread(() -> run(pool), "fuse-worker-" + number);
    thread = made;
    made.start();
  }

  /** Frees what it used; its thread has ended, and nobody else needs its channel. */
  void release() {
    channel.close();
    leaving.run();
  }

  int number() {
    return number;
  }

  DeviceChannel channel() {
    return channel;
  }

  Thread thread() {
    Thread present = thread;
    if (present == null) {
      throw new IllegalStateException("not started");
    }
    return present;
  }

  boolean isAlive() {
    return thread().isAlive();
  }

  /** Whether the thread sleeps. */
  boolean isWaiting() {
    return threadNumber != 0 && ProcFile.isWaiting(threadNumber);
  }

  private void run(WorkerPool pool) {
    threadNumber = ProcFile.ownThread();
    while (true) {
      int length = channel.receive();
      if (length >= 0) {
        long receivedNanos = System.nanoTime();
        Thread.interrupted(); // it was about a request that has been answered
        channel.begin();
        if (channel.opcode() == INTERRUPT) {
          interrupts.add(channel.request().getLong(INTERRUPTED_UNIQUE));
          pool.wake();
        } else if (lane != null && HotOperations.mayWait(channel, files)) {
          lane.take(channel, length, receivedNanos);
        } else {
          responder.answer(length, receivedNanos);
        }
        channel.end();
        if (pool.isSurplus(number)) {
          return;
        }
      } else if (isOver(-length)) {
        pool.over();
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
