package org.qcowfs.fuse.session;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.fuse.stats.RequestStatistics;
import org.qcowfs.fuse.tree.FaultLog;
import org.qcowfs.fuse.tree.KernelCache;
import org.qcowfs.fuse.tree.OpenFiles;

/**
 * A mounted libfuse session served by threads of this JVM.
 *
 * <p><b>Thread safety:</b> all methods may be called from any thread; {@link #close} once.
 */
public final class Session {
  private static final int MIN_WORKERS = 2;

  /** Two buffers of 1 MiB each: a machine with many cores still fits into a small heap. */
  private static final int MAX_WORKERS = 8;

  private final FuseLibrary.Mounted mounted;
  private final List<DeviceChannel> channels = new ArrayList<>();
  private final List<Thread> threads = new ArrayList<>();
  private @Nullable WaitingLane lane;
  private @Nullable Thread laneThread;

  /**
   * How a file that can be written to is served.
   *
   * @param writeback whether the kernel is to keep what is written
   * @param sizeRestorer see {@link KernelCache#restoreSize}
   * @param attach is given what the kernel keeps, before the first request
   */
  public record Writing(boolean writeback, Runnable sizeRestorer, Consumer<KernelCache> attach) {}

  private Session(FuseLibrary.Mounted mounted) {
    this.mounted = mounted;
  }

  /**
   * Mounts; no request is answered before {@link #start}.
   *
   * @param arguments of libfuse: program name, options, mount point
   * @param operations the bytes of {@code struct fuse_operations}; the callbacks it points to must
   *     stay alive until {@link #close}
   * @return null if libfuse could not mount; its reason is on the standard error
   */
  public static @Nullable Session mount(List<String> arguments, byte[] operations) {
    FuseLibrary.Mounted mounted = FuseLibrary.setup(arguments, operations);
    return mounted == null ? null : new Session(mounted);
  }

  /**
   * Starts one worker per core.
   *
   * @param writing how to serve a file that can be written to; null if there is none
   * @param statistics counts the requests
   */
  public void start(
      OpenFiles files, @Nullable Writing writing, RequestStatistics statistics, FaultLog log) {
    int cores = Runtime.getRuntime().availableProcessors();
    int workers = Math.max(MIN_WORKERS, Math.min(cores, MAX_WORKERS));
    start(files, writing, statistics, log, workers);
  }

  /** As the other method, with {@code workers} workers. */
  public void start(
      OpenFiles files,
      @Nullable Writing writing,
      RequestStatistics statistics,
      FaultLog log,
      int workers) {
    long session = FuseLibrary.session(mounted);
    int master = FuseLibrary.deviceDescriptor(session);
    Kernel kernel = new Kernel(master, writing, log);
    if (writing != null) {
      writing.attach().accept(kernel);
      DeviceChannel waiting = DeviceChannel.sharing(master, kernel);
      channels.add(waiting);
      lane = new WaitingLane(waiting, responder(session, waiting, files, statistics, log), log);
      laneThread = new Thread(lane, "fuse-waiting");
      laneThread.start();
    }
    for (int i = 0; i < workers; i++) {
      DeviceChannel channel =
          i == 0 ? DeviceChannel.sharing(master, kernel) : DeviceChannel.cloneOf(master, kernel);
      channels.add(channel);
      Responder responder = responder(session, channel, files, statistics, log);
      threads.add(new Thread(new Worker(channel, responder, lane, files, log), "fuse-worker-" + i));
    }
    threads.forEach(Thread::start);
  }

  private static Responder responder(
      long session,
      DeviceChannel channel,
      OpenFiles files,
      RequestStatistics statistics,
      FaultLog log) {
    return new Responder(
        session, channel, new HotOperations(channel, files, log), statistics.newRecorder(), log);
  }

  /** The worker threads. */
  public List<Thread> workers() {
    return List.copyOf(threads);
  }

  /** Waits until the file system is unmounted and every request answered. */
  public void await() throws InterruptedException {
    for (Thread thread : threads) {
      thread.join();
    }
    if (lane != null && laneThread != null) {
      lane.end();
      laneThread.join();
    }
  }

  /** Frees the session after {@link #await}, and unmounts what is still mounted. */
  public void close() {
    FuseLibrary.teardown(mounted);
    channels.forEach(DeviceChannel::close);
  }
}
