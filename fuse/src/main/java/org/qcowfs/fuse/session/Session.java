package org.qcowfs.fuse.session;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.fuse.stats.RequestRecorder;
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

  /** More do not help while all of them compute. */
  private static final int MAX_WORKERS = 8;

  /** As many may wait for storage at the same time. */
  private static final int MAX_GROWN_WORKERS = 128;

  private final FuseLibrary.Mounted mounted;
  private final Interrupts interrupts = new Interrupts();
  private final List<DeviceChannel> laneChannels = new CopyOnWriteArrayList<>();
  private @Nullable WaitingLane lane;
  private @Nullable WorkerPool pool;

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
   * Starts one worker per core; more while all of these wait for storage.
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

  /** As the other method, with {@code workers} workers from the start. */
  public void start(
      OpenFiles files,
      @Nullable Writing writing,
      RequestStatistics statistics,
      FaultLog log,
      int workers) {
    long session = FuseLibrary.session(mounted);
    int master = FuseLibrary.deviceDescriptor(session);
    Kernel kernel = new Kernel(master, writing, log);
    WaitingLane waiting = null;
    if (writing != null) {
      writing.attach().accept(kernel);
      waiting = new WaitingLane(() -> server(session, master, kernel, files, statistics, log), log);
      waiting.start();
      lane = waiting;
    }
    WaitingLane shared = waiting;
    WorkerPool made =
        new WorkerPool(
            workers,
            Math.max(workers, MAX_GROWN_WORKERS),
            number -> {
              DeviceChannel channel =
                  number == 0
                      ? DeviceChannel.sharing(master, kernel)
                      : DeviceChannel.cloneOf(master, kernel);
              RequestRecorder recorder = statistics.newRecorder();
              Responder responder = responder(session, channel, files, recorder, log);
              return new Worker(
                  number,
                  channel,
                  responder,
                  shared,
                  files,
                  interrupts,
                  () -> statistics.retire(recorder),
                  log);
            },
            interrupts,
            shared,
            log);
    pool = made;
    made.start();
  }

  private WaitingLane.Server server(
      long session,
      int master,
      Kernel kernel,
      OpenFiles files,
      RequestStatistics statistics,
      FaultLog log) {
    DeviceChannel channel = DeviceChannel.sharing(master, kernel);
    laneChannels.add(channel);
    RequestRecorder recorder = statistics.newRecorder();
    return new WaitingLane.Server(
        channel,
        responder(session, channel, files, recorder, log),
        () -> {
          laneChannels.remove(channel);
          channel.close();
          statistics.retire(recorder);
        });
  }

  private static Responder responder(
      long session,
      DeviceChannel channel,
      OpenFiles files,
      RequestRecorder recorder,
      FaultLog log) {
    return new Responder(session, channel, new HotOperations(channel, files, log), recorder, log);
  }

  /** The worker threads there are now. */
  public List<Thread> workers() {
    return pool == null ? List.of() : pool.threads();
  }

  /** Waits until the file system is unmounted and every request answered. */
  public void await() throws InterruptedException {
    if (pool != null) {
      pool.await();
    }
    if (lane != null) {
      lane.end();
    }
  }

  /** Frees the session after {@link #await}, and unmounts what is still mounted. */
  public void close() {
    FuseLibrary.teardown(mounted);
    laneChannels.forEach(DeviceChannel::close);
    if (pool != null) {
      pool.close();
    }
  }
}
