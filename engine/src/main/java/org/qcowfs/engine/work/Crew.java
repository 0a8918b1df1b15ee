package org.qcowfs.engine.work;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;

/**
 * A few threads that share one walk over a disk: while one reads, another writes. A short walk ends
 * before they are asked, in the calling thread.
 */
public final class Crew {
  /** One thread's part in the work, with its buffers. */
  public interface Hand {
    /** Takes the next piece of the walk and does it; false if there is none left. */
    boolean step() throws ImageException;
  }

  /** Pieces that are done before other threads are asked to help. */
  private static final int ALONE = 16;

  private static final int MOST_THREADS = 4;

  private volatile @Nullable Throwable failure;

  private Crew() {}

  /**
   * Does the whole walk. After a failure no piece is begun; those that were are finished. An
   * interrupt of the calling thread ends nothing, and is kept.
   *
   * @param hands makes the hand of one thread; called in the calling thread
   * @throws ImageException the first failure of a piece
   */
  public static void work(Supplier<? extends Hand> hands) throws ImageException {
    Crew crew = new Crew();
    Hand own = hands.get();
    for (int i = 0; i < ALONE; i++) {
      if (!own.step()) {
        return;
      }
    }
    List<Thread> helpers = new ArrayList<>();
    int count = Math.min(MOST_THREADS, Runtime.getRuntime().availableProcessors()) - 1;
    for (int i = 0; i < count; i++) {
      Hand hand = hands.get();
      Thread thread = new Thread(() -> crew.run(hand), "change-" + i);
      helpers.add(thread);
      thread.start();
    }
    crew.run(own);
    try {
      join(helpers, () -> {});
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    rethrow(crew.failure);
  }

  private void run(Hand hand) {
    try {
      while (failure == null && hand.step()) {
        // the work is in the step
      }
    } catch (Throwable e) {
      fail(e);
    }
  }

  private synchronized void fail(Throwable e) {
    if (failure == null) {
      failure = e;
    }
  }

  /**
   * Waits for all, come what may: the images they use are closed next.
   *
   * @param stop asks them to end early; called if this thread is interrupted
   * @throws InterruptedException if it was, once all have ended
   */
  public static void join(List<Thread> threads, Runnable stop) throws InterruptedException {
    InterruptedException interrupt = null;
    for (Thread thread : threads) {
      while (thread.isAlive()) {
        try {
          thread.join();
        } catch (InterruptedException e) {
          if (interrupt == null) {
            stop.run();
          }
          interrupt = e;
        }
      }
    }
    if (interrupt != null) {
      throw interrupt;
    }
  }

  /** Throws what another thread has failed with, if that is of a kind these threads throw. */
  public static void rethrow(@Nullable Throwable failure) throws ImageException {
    if (failure instanceof ImageException e) {
      throw e;
    }
    if (failure instanceof RuntimeException e) {
      throw e;
    }
    if (failure instanceof Error e) {
      throw e;
    }
  }
}
