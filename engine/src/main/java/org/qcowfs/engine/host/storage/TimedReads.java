package org.qcowfs.engine.host.storage;

import java.util.ArrayDeque;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Semaphore;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.posix.Errno;

/**
 * Reads with a time limit: each runs on a thread with a buffer of its own, and who waits takes the
 * bytes from there or goes. A thread that was left behind stays until the host answers; there are
 * at most {@link #MOST}, and while all of them are left behind reads fail at once.
 *
 * <p><b>Thread safety:</b> safe.
 */
final class TimedReads {
  private static final int MOST = 32;

  /** Longer reads are taken apart. */
  private static final int BUFFER = 1 << 20;

  /** As {@link org.qcowfs.engine.host.HostFile#read}. */
  interface Reader {
    int read(long hostOffset, DataBuffer dst, int position, int length) throws ImageException;
  }

  private final long limitNanos;
  private final Semaphore free = new Semaphore(MOST);
  private final AtomicInteger leftBehind = new AtomicInteger();
  private final ArrayDeque<DataBuffer> buffers = new ArrayDeque<>();
  private final ExecutorService threads =
      new ThreadPoolExecutor(
          0,
          MOST,
          10,
          TimeUnit.SECONDS,
          new SynchronousQueue<>(),
          task -> {
            Thread thread = new Thread(task, "storage-read");
            thread.setDaemon(true);
            return thread;
          });

  /**
   * @param limitMillis how long a read may take, at least 1
   */
  TimedReads(long limitMillis) {
    this.limitNanos = TimeUnit.MILLISECONDS.toNanos(limitMillis);
  }

  /** One read on its way. */
  private final class Task implements Runnable {
    private final Reader reader;
    private final long hostOffset;
    private final int length;
    private final DataBuffer buffer;
    private boolean done;
    private boolean abandoned;
    private int got;
    private @Nullable Throwable failure;

    Task(Reader reader, long hostOffset, int length, DataBuffer buffer) {
      this.reader = reader;
      this.hostOffset = hostOffset;
      this.length = length;
      this.buffer = buffer;
    }

    @Override
    public void run() {
      Throwable failed = null;
      int read = 0;
      try {
        read = reader.read(hostOffset, buffer, 0, length);
      } catch (Throwable e) {
        failed = e;
      }
      synchronized (this) {
        got = read;
        failure = failed;
        done = true;
        notifyAll();
        if (!abandoned) {
          return;
        }
      }
      leftBehind.decrementAndGet();
      giveBack(buffer);
    }

    /** Waits for the end; false if it does not come in time, and the task is then left behind. */
    synchronized boolean await(long deadline) {
      boolean interrupted = false;
      while (!done && !interrupted) {
        long left = deadline - System.nanoTime();
        if (left <= 0) {
          break;
        }
        try {
          TimeUnit.NANOSECONDS.timedWait(this, left);
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
          interrupted = true;
        }
      }
      if (!done) {
        abandoned = true;
        leftBehind.incrementAndGet();
      }
      return done;
    }
  }

  private DataBuffer buffer() {
    synchronized (buffers) {
      DataBuffer buffer = buffers.poll();
      return buffer == null ? DataBuffer.allocate(BUFFER) : buffer;
    }
  }

  private void giveBack(DataBuffer buffer) {
    synchronized (buffers) {
      buffers.push(buffer);
    }
    free.release();
  }

  /**
   * Reads through {@code reader}.
   *
   * @param path for messages
   * @throws ImageException what the reader throws; errno {@code ETIMEDOUT} without an answer in
   *     time
   */
  int read(Reader reader, String path, long hostOffset, DataBuffer dst, int position, int length)
      throws ImageException {
    int done = 0;
    while (done < length) {
      int part = Math.min(BUFFER, length - done);
      int got = readPart(reader, path, hostOffset + done, dst, position + done, part);
      done += got;
      if (got < part) {
        break;
      }
    }
    return done;
  }

  private int readPart(
      Reader reader, String path, long hostOffset, DataBuffer dst, int position, int length)
      throws ImageException {
    long deadline = System.nanoTime() + limitNanos;
    try {
      if (leftBehind.get() >= MOST
          || !free.tryAcquire(deadline - System.nanoTime(), TimeUnit.NANOSECONDS)) {
        throw noAnswer(path);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw noAnswer(path);
    }
    Task task = new Task(reader, hostOffset, length, buffer());
    threads.execute(task);
    if (!task.await(deadline)) {
      throw noAnswer(path);
    }
    try {
      if (task.failure instanceof ImageException e) {
        throw e;
      }
      if (task.failure != null) {
        throw new IllegalStateException(task.failure);
      }
      dst.bytes().put(position, task.buffer.bytes(), 0, task.got);
      return task.got;
    } finally {
      giveBack(task.buffer);
    }
  }

  private ImageException noAnswer(String path) {
    return ImageException.reported(
        path,
        "no answer to a read within "
            + TimeUnit.NANOSECONDS.toMillis(limitNanos) / 1000.0
            + " s (--io-timeout)",
        Errno.ETIMEDOUT);
  }
}
