package org.qcowfs.engine.host.storage;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.Semaphore;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.BufferPool;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.posix.Errno;

/**
 * Calls of the host with a time limit: each runs on a thread of its own, reads into a buffer of
 * their own, and who waits takes the result or goes. A thread that was left behind stays until the
 * host answers; there are at most {@link #MOST}, and while all of them are left behind calls fail
 * at once.
 *
 * <p><b>Thread safety:</b> safe.
 */
final class TimedCalls {
  private static final int MOST = 32;

  /** Longer reads are taken apart. */
  private static final int BUFFER = 1 << 20;

  /** As {@link org.qcowfs.engine.host.HostFile#read}. */
  interface Reader {
    int read(long hostOffset, DataBuffer dst, int position, int length) throws ImageException;
  }

  /** What may take long. */
  interface Work<T> {
    T run() throws ImageException;
  }

  private final Semaphore free = new Semaphore(MOST);
  private final AtomicInteger leftBehind = new AtomicInteger();
  private final BufferPool buffers = new BufferPool(BUFFER);

  /** Bounded by {@link #free}; a thread is free a moment later than what it has done. */
  private final ExecutorService threads =
      new ThreadPoolExecutor(
          0,
          Integer.MAX_VALUE,
          10,
          TimeUnit.SECONDS,
          new SynchronousQueue<>(),
          task -> {
            Thread thread = new Thread(task, "storage-call");
            thread.setDaemon(true);
            return thread;
          });

  /** One call on its way. */
  private final class Task<T> implements Runnable {
    private final Work<T> work;
    private final Consumer<@Nullable T> unclaimed;
    private boolean done;
    private boolean abandoned;
    private @Nullable T result;
    private @Nullable Throwable failure;

    Task(Work<T> work, Consumer<@Nullable T> unclaimed) {
      this.work = work;
      this.unclaimed = unclaimed;
    }

    @Override
    public void run() {
      T value = null;
      Throwable failed = null;
      try {
        value = work.run();
      } catch (Throwable e) {
        failed = e;
      }
      synchronized (this) {
        result = value;
        failure = failed;
        done = true;
        notifyAll();
        if (!abandoned) {
          return;
        }
      }
      leftBehind.decrementAndGet();
      free.release();
      unclaimed.accept(value);
    }

    /** Waits for the end; false if it does not come in time, and the task is then left behind. */
    synchronized boolean await(long deadline) throws InterruptedException {
      try {
        for (long left; !done && (left = deadline - System.nanoTime()) > 0; ) {
          TimeUnit.NANOSECONDS.timedWait(this, left);
        }
      } catch (InterruptedException e) {
        if (!done) {
          leave();
          throw e;
        }
        Thread.currentThread().interrupt();
      }
      if (!done) {
        leave();
      }
      return done;
    }

    private void leave() {
      abandoned = true;
      leftBehind.incrementAndGet();
    }

    synchronized T take() throws ImageException {
      if (failure instanceof ImageException e) {
        throw e;
      }
      T value = result;
      if (failure != null || value == null) {
        throw new IllegalStateException(failure);
      }
      return value;
    }
  }

  /**
   * Runs {@code work}.
   *
   * @param path for messages
   * @param what is asked, for messages: "a read"
   * @param unclaimed is told once of what the caller does not get: a result that came too late, or
   *     null where there is none
   * @throws ImageException what {@code work} throws; errno {@code ETIMEDOUT} without an answer in
   *     time; {@code EINTR} if this thread was interrupted
   */
  <T> T call(
      long limitMillis, String path, String what, Work<T> work, Consumer<@Nullable T> unclaimed)
      throws ImageException {
    long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(limitMillis);
    boolean started = false;
    try {
      if (leftBehind.get() < MOST
          && free.tryAcquire(deadline - System.nanoTime(), TimeUnit.NANOSECONDS)) {
        Task<T> task = new Task<>(work, unclaimed);
        start(task);
        started = true;
        if (task.await(deadline)) {
          return taken(task);
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      if (!started) {
        unclaimed.accept(null);
      }
      throw ImageException.reported(path, "nobody waits for " + what + " any more", Errno.EINTR);
    }
    if (!started) {
      unclaimed.accept(null);
    }
    throw ImageException.reported(
        path,
        "no answer to " + what + " within " + limitMillis / 1000.0 + " s (--io-timeout)",
        Errno.ETIMEDOUT);
  }

  private <T> void start(Task<T> task) {
    try {
      threads.execute(task);
    } catch (Error | RuntimeException e) { // no more threads
      free.release();
      task.unclaimed.accept(null);
      throw e;
    }
  }

  private <T> T taken(Task<T> task) throws ImageException {
    free.release();
    try {
      return task.take();
    } catch (ImageException | RuntimeException e) {
      task.unclaimed.accept(null);
      throw e;
    }
  }

  /** Reads through {@code reader}; fails as {@link #call} does. */
  int read(
      long limitMillis,
      Reader reader,
      String path,
      long hostOffset,
      DataBuffer dst,
      int position,
      int length)
      throws ImageException {
    int done = 0;
    while (done < length) {
      int part = Math.min(BUFFER, length - done);
      long at = hostOffset + done;
      DataBuffer buffer = buffers.take();
      int got =
          call(
              limitMillis,
              path,
              "a read",
              () -> reader.read(at, buffer, 0, part),
              none -> buffers.giveBack(buffer));
      dst.bytes().put(position + done, buffer.bytes(), 0, got);
      buffers.giveBack(buffer);
      done += got;
      if (got < part) {
        break;
      }
    }
    return done;
  }
}
