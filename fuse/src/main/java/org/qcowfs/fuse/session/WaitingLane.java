package org.qcowfs.fuse.session;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.qcowfs.fuse.tree.FaultLog;

/**
 * The threads for requests whose answer may have to wait until the kernel has written back what it
 * keeps. That takes WRITE requests, which need a free worker: so no worker ever waits for it.
 *
 * <p>One thread is enough, until it waits for storage.
 */
final class WaitingLane {
  private static final int MAX_THREADS = 8;
  private static final long PATIENCE_MILLIS = 1000;

  /** For so long no request has had to wait for a thread: those beyond the first end. */
  private static final long CALM_SECONDS = 10;

  /**
   * A request that another channel received.
   *
   * @param from where its reply must go; null in the request that ends a thread
   */
  private static final class Request {
    private final byte[] bytes;
    private final @Nullable DeviceChannel from;
    private final long receivedNanos;

    Request(byte[] bytes, @Nullable DeviceChannel from, long receivedNanos) {
      this.bytes = bytes;
      this.from = from;
      this.receivedNanos = receivedNanos;
    }
  }

  /**
   * What answers through a channel of its own.
   *
   * @param release frees it; for its thread, as the last thing that does
   */
  record Server(DeviceChannel channel, Responder responder, Runnable release) {}

  private final Supplier<Server> servers;
  private final FaultLog log;
  private final LinkedBlockingQueue<Request> queue = new LinkedBlockingQueue<>();
  private final List<Thread> threads = new ArrayList<>();

  /** Of each of {@link #threads}, its channel. */
  private final List<DeviceChannel> channels = new ArrayList<>();

  private final AtomicInteger busy = new AtomicInteger();
  private int started;
  private boolean hadQueue;
  private long neededNanos = System.nanoTime();

  /**
   * @param servers makes one for each thread
   */
  WaitingLane(Supplier<Server> servers, FaultLog log) {
    this.servers = servers;
    this.log = log;
  }

  /** Starts the first thread. */
  synchronized void start() {
    Server server = servers.get();
    Thread thread = new Thread(() -> serve(server), "fuse-waiting-" + started++);
    threads.add(thread);
    channels.add(server.channel());
    thread.start();
  }

  /** Starts another thread if the ones there are have left requests waiting since the last call. */
  synchronized void growIfStuck() {
    boolean hasQueue = !queue.isEmpty();
    if (hasQueue && hadQueue && threads.size() < MAX_THREADS) {
      start();
    }
    if (hasQueue) {
      neededNanos = System.nanoTime();
    }
    hadQueue = hasQueue;
  }

  /** Answers what has been interrupted among the requests in work here. */
  synchronized void answer(Interrupts interrupts) {
    for (int i = 0; i < threads.size(); i++) {
      if (interrupts.answer(channels.get(i))) {
        threads.get(i).interrupt();
      }
    }
  }

  /** Takes over the request in {@code from}, which the caller then does not answer. */
  void take(DeviceChannel from, int length, long receivedNanos) {
    from.lend();
    queue.add(new Request(from.copyRequest(length), from, receivedNanos));
  }

  /** Ends the threads when they have answered what was taken, and waits for them. */
  void end() throws InterruptedException {
    List<Thread> all;
    synchronized (this) {
      all = List.copyOf(threads);
    }
    for (int i = 0; i < all.size(); i++) {
      queue.add(new Request(new byte[0], null, 0));
    }
    for (Thread thread : all) {
      thread.join(PATIENCE_MILLIS);
      if (thread.isAlive()) {
        thread.interrupt(); // it tries again and again to read what nobody waits for
        thread.join();
      }
    }
  }

  /** Lets this thread go unless it is the only one that has nothing to do. */
  private synchronized boolean leave(Server server) {
    long calm = System.nanoTime() - neededNanos;
    if (threads.size() - busy.get() == 1 || calm < TimeUnit.SECONDS.toNanos(CALM_SECONDS)) {
      return false;
    }
    threads.remove(Thread.currentThread());
    channels.remove(server.channel());
    server.release().run();
    return true;
  }

  private void serve(Server server) {
    while (!leave(server)) {
      try {
        Request request = queue.poll(CALM_SECONDS, TimeUnit.SECONDS);
        if (request == null) {
          continue;
        }
        DeviceChannel from = request.from;
        if (from == null) {
          return;
        }
        busy.incrementAndGet();
        try {
          server.channel().adopt(request.bytes, from.descriptor());
          server.channel().begin();
          server.responder().answer(request.bytes.length, request.receivedNanos);
        } finally {
          server.channel().end();
          from.returned();
          busy.decrementAndGet();
          Thread.interrupted(); // it was about that request
        }
      } catch (InterruptedException e) {
        // It came too late for the request it was about.
      } catch (Throwable e) {
        log.unexpected("the waiting lane", e);
      }
    }
  }
}
