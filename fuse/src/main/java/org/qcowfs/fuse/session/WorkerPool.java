package org.qcowfs.fuse.session;

import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;
import org.qcowfs.fuse.tree.FaultLog;

/**
 * The workers of a session, and the thread that looks after them: it starts more while all of them
 * wait for storage, lets them go when they are idle again, and answers what has been interrupted.
 *
 * <p>A worker that waits for a slow or lost file server holds nothing but itself and its buffers,
 * so that others can go on serving what does not need that server. What a worker costs is at most
 * its two buffers of 1 MiB, and of those only the pages that its requests have used.
 *
 * <p><b>Thread safety:</b> safe.
 */
final class WorkerPool implements Runnable {
  /** How often the pool looks while there is something to look at, and while there is not. */
  private static final long TICK_MILLIS = 25;

  private static final long IDLE_TICK_MILLIS = 250;

  /** In a row: all workers wait. */
  private static final int TICKS_TO_GROW = 2;

  /** For so long at most half of the workers had something to do. */
  private static final long CALM_NANOS = 1_000_000_000L;

  private final int least;
  private final int most;
  private final IntFunction<Worker> hire;
  private final Interrupts interrupts;
  private final @Nullable WaitingLane lane;
  private final FaultLog log;
  private final List<Worker> workers = new ArrayList<>();
  private final Thread thread = new Thread(this, "fuse-workers");
  private int started;
  private int waitingTicks;
  private long busyAt = System.nanoTime();
  private boolean ended;

  /** Whether a worker has met the end of the file system. */
  private volatile boolean over;

  /** Whether a worker beyond {@link #least} ends with its next request. */
  private volatile boolean shrinking;

  /**
   * @param least workers there are always
   * @param most workers there may be
   * @param hire makes a worker, given its number from 0 on
   * @param lane grows too; null if there is none
   */
  WorkerPool(
      int least,
      int most,
      IntFunction<Worker> hire,
      Interrupts interrupts,
      @Nullable WaitingLane lane,
      FaultLog log) {
    this.least = least;
    this.most = most;
    this.hire = hire;
    this.interrupts = interrupts;
    this.lane = lane;
    this.log = log;
  }

  /** Starts the workers. */
  synchronized void start() {
    startWorkers(least);
    thread.setDaemon(true);
    thread.start();
  }

  private void startWorkers(int count) {
    for (int i = 0; i < count; i++) {
      Worker worker = hire.apply(started++);
      workers.add(worker);
      worker.start(this);
    }
  }

  /** Whether worker {@code number} is one too many now. */
  boolean isSurplus(int number) {
    return shrinking && number >= least;
  }

  /** Nobody can wait for an answer any more: the file system is gone. */
  void over() {
    over = true;
    wake();
  }

  /** There is something to look at. */
  synchronized void wake() {
    notifyAll();
  }

  /** The threads of the workers there are now. */
  synchronized List<Thread> threads() {
    return workers.stream().map(Worker::thread).toList();
  }

  /** Waits until every worker has ended because the file system is unmounted. */
  void await() throws InterruptedException {
    while (true) {
      Worker alive;
      synchronized (this) {
        alive = workers.stream().filter(Worker::isAlive).findFirst().orElse(null);
        if (alive == null) {
          ended = true;
          notifyAll();
          break;
        }
      }
      alive.thread().join();
    }
    thread.join();
  }

  /** Frees what the workers used, after {@link #await}. */
  synchronized void close() {
    workers.forEach(Worker::release);
    workers.clear();
  }

  @Override
  public synchronized void run() {
    while (!ended) {
      try {
        boolean watchful = workers.stream().anyMatch(worker -> worker.channel().isBusy());
        wait(watchful || interrupts.isAnyPending() ? TICK_MILLIS : IDLE_TICK_MILLIS);
        look();
      } catch (InterruptedException e) {
        log.line("the thread that looks after the workers was interrupted");
      } catch (Throwable e) {
        // Without it the mount still serves, with the workers it has.
        log.unexpected("looking after the workers", e);
      }
    }
  }

  private void look() {
    // Only here a channel is closed or answered for a worker: no descriptor is used that is closed.
    workers.removeIf(
        worker -> {
          boolean gone =
              !worker.isAlive() && worker.number() >= least && !worker.channel().isLent();
          if (gone) {
            worker.release();
          }
          return gone;
        });
    for (Worker worker : workers) {
      if (interrupts.answer(worker.channel()) || over && worker.channel().isBusy()) {
        worker.thread().interrupt();
      }
    }
    if (lane != null) {
      lane.answer(interrupts);
    }
    interrupts.age();
    grow();
    if (lane != null) {
      lane.growIfStuck();
    }
  }

  private void grow() {
    int alive = 0;
    int busy = 0;
    boolean allWait = true;
    for (Worker worker : workers) {
      if (worker.isAlive()) {
        alive++;
        if (worker.channel().isBusy()) {
          busy++;
        }
      }
    }
    if (alive == busy && alive > 0 && alive < most) {
      for (Worker worker : workers) {
        allWait &= !worker.isAlive() || worker.isWaiting();
      }
      waitingTicks = allWait ? waitingTicks + 1 : 0;
      if (waitingTicks >= TICKS_TO_GROW) {
        startWorkers(Math.min(alive, most - alive));
        waitingTicks = 0;
      }
    } else {
      waitingTicks = 0;
    }
    long now = System.nanoTime();
    if (busy * 2 > alive) {
      busyAt = now;
    }
    shrinking = alive > least && now - busyAt > CALM_NANOS;
  }
}
