package org.qcowfs.fuse;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.engine.host.posix.PosixCalls;
import org.qcowfs.engine.model.ImageStatistics;
import org.qcowfs.fuse.session.Session;
import org.qcowfs.fuse.stats.OperationStatistics;
import org.qcowfs.fuse.stats.RequestStatistics;
import org.qcowfs.fuse.system.MountTable;
import org.qcowfs.fuse.system.Unmount;
import org.qcowfs.fuse.tree.FaultLog;
import org.qcowfs.fuse.tree.MountTree;
import org.qcowfs.fuse.tree.WritePolicy;

/**
 * An image mounted and served by this process.
 *
 * <p>Life: {@link #start} (mounted, serving, and it has answered once) - {@link #unmount}, or
 * somebody else's {@code umount} - {@link #await} returns. The image stays the caller's to close,
 * after {@link #await}.
 *
 * <p><b>Thread safety:</b> any thread.
 */
public final class ImageMount {
  /** The kernel reads ahead this much, where it lets us say so. */
  private static final int READ_AHEAD_KIB = 1024;

  /** Of the memory that may be dirty. */
  private static final int DIRTY_PERCENT = 10;

  private final Path mountPoint;
  private final MountTree tree;
  private final ImageFileSystem fileSystem;
  private final Session session;
  private final FaultLog log;
  private final MountTable.@Nullable Entry entry;
  private final Image image;
  private final RequestStatistics statistics;

  private ImageMount(
      Image image,
      RequestStatistics statistics,
      Path mountPoint,
      MountTree tree,
      ImageFileSystem fileSystem,
      Session session,
      FaultLog log,
      MountTable.@Nullable Entry entry) {
    this.image = image;
    this.statistics = statistics;
    this.mountPoint = mountPoint;
    this.tree = tree;
    this.fileSystem = fileSystem;
    this.session = session;
    this.log = log;
    this.entry = entry;
  }

  /**
   * Mounts and serves; when this returns, the mount answers.
   *
   * @param sink receives the log lines
   * @throws MountException with the reason; nothing stays mounted then
   */
  public static ImageMount start(Image image, MountOptions options, Consumer<String> sink)
      throws MountException {
    Path mountPoint = options.mountPoint();
    boolean isFlat = checkMountPoint(mountPoint, options.has("nonempty"));
    FaultLog log = new FaultLog(sink);
    WritePolicy policy = options.writing() == null ? WritePolicy.DEFAULT : options.writing();
    if (policy.growable()) {
      allowGrowth(image);
    }
    RequestStatistics statistics = new RequestStatistics();
    image.count();
    MountTree tree =
        isFlat
            ? MountTree.flat(image, log, policy, statistics)
            : MountTree.views(image, log, policy, statistics);
    Path disk = isFlat ? mountPoint : mountPoint.resolve("disk.raw");
    SizeRestorer size = new SizeRestorer(disk, image::size);
    boolean kernelWriteback = tree.isWritable() && policy.cache().kernelWriteback();
    Session.Writing writing =
        tree.isWritable() ? new Session.Writing(kernelWriteback, size, tree::attach) : null;
    ImageFileSystem fileSystem = newFileSystem(tree, writing, statistics, log);
    Session session = mount(fileSystem, options);
    // Any answer will do: the mount is there, and a worker served a request.
    if (PosixCalls.statfs(mountPoint.toString()) != 0) {
      String reason = Errno.text(PosixCalls.errno());
      session.close();
      throw new MountException(named(mountPoint) + " does not answer: " + reason);
    }
    if (isFlat && kernelWriteback) {
      size.restore();
    }
    MountTable.Entry entry = MountTable.at(mountPoint);
    if (entry != null) {
      raise(entry.device(), "read_ahead_kb", READ_AHEAD_KIB);
      raise(entry.device(), "max_ratio", DIRTY_PERCENT);
    }
    return new ImageMount(image, statistics, mountPoint, tree, fileSystem, session, log, entry);
  }

  private static void allowGrowth(Image image) throws MountException {
    try {
      image.allowGrowth();
    } catch (ImageException e) {
      throw new MountException(String.valueOf(e.getMessage()));
    }
  }

  /** Whether the mount point is a regular file. */
  private static boolean checkMountPoint(Path mountPoint, boolean mayHaveContents)
      throws MountException {
    if (Unmount.isDead(mountPoint)) {
      throw new MountException(
          named(mountPoint)
              + " is a mount whose process is gone; 'qcowfs umount "
              + Escape.text(mountPoint.toString())
              + "' removes it");
    }
    MountTable.Entry already = MountTable.at(mountPoint);
    if (already != null && already.type().equals(MountTable.TYPE)) {
      throw new MountException(
          "'" + Escape.text(already.source()) + "' is already mounted on " + named(mountPoint));
    }
    try {
      if (Files.isDirectory(mountPoint)) {
        if (!mayHaveContents) {
          try (DirectoryStream<Path> children = Files.newDirectoryStream(mountPoint)) {
            if (children.iterator().hasNext()) {
              throw new MountException(
                  named(mountPoint) + " is not empty; -o nonempty mounts over what is there");
            }
          }
        }
        return false;
      }
      if (Files.isRegularFile(mountPoint)) {
        if (!mayHaveContents && Files.size(mountPoint) > 0) {
          throw new MountException(
              named(mountPoint) + " is not empty; -o nonempty mounts over what is there");
        }
        return true;
      }
    } catch (IOException e) {
      throw new MountException(
          "Could not look at " + named(mountPoint) + ": " + Escape.text("" + e));
    }
    throw new MountException(
        Files.exists(mountPoint)
            ? named(mountPoint) + " is neither a folder nor a regular file"
            : named(mountPoint) + " does not exist");
  }

  private static ImageFileSystem newFileSystem(
      MountTree tree, Session.@Nullable Writing writing, RequestStatistics statistics, FaultLog log)
      throws MountException {
    try {
      return new ImageFileSystem(tree, writing, statistics, log);
    } catch (UnsatisfiedLinkError e) {
      throw new MountException(
          "libfuse.so.2 could not be loaded; on Debian, 'apt-get install libfuse2 fuse' installs"
              + " it");
    }
  }

  private static Session mount(ImageFileSystem fileSystem, MountOptions options)
      throws MountException {
    String said;
    try {
      CapturedErrors errors = CapturedErrors.begin();
      try {
        fileSystem.mount(
            options.mountPoint(), false, false, new String[] {"-o", options.argument()});
      } finally {
        said = errors.end();
      }
    } catch (IOException e) {
      throw new MountException("Could not mount: " + Escape.text("" + e));
    }
    Session session = fileSystem.session();
    if (session == null) {
      String reason = said.isEmpty() ? "libfuse refused" : said.replaceAll("\\s*\\n\\s*", "; ");
      throw new MountException(
          "Could not mount on " + named(options.mountPoint()) + ": " + Escape.text(reason));
    }
    if (!said.isEmpty()) {
      System.err.println(said);
    }
    return session;
  }

  /**
   * Changes a setting of the kernel's for the mount, which only root may. Without it the kernel
   * reads ahead 128 KiB, and makes a writer wait when a hundredth of what may be dirty is: meant
   * for file systems nobody knows, here it halves the speed of long writes.
   */
  private static void raise(String device, String name, int value) {
    Path setting = Path.of("/sys/class/bdi", device, name);
    if (Files.isWritable(setting)) {
      try {
        Files.writeString(setting, Integer.toString(value));
      } catch (IOException e) {
        // It works, only slower.
      }
    }
  }

  private static String named(Path path) {
    return "'" + Escape.text(path.toString()) + "'";
  }

  /** The mount's {@code major:minor}; empty where the system does not tell. */
  public String device() {
    return entry == null ? "" : entry.device();
  }

  /** The threads that serve it. */
  public List<Thread> workers() {
    return session.workers();
  }

  /** The requests answered so far, one for each kind. */
  public List<OperationStatistics> requestStatistics() {
    return statistics.now();
  }

  /** What the image has done for them; not after it was closed. */
  public ImageStatistics imageStatistics() {
    return image.statistics();
  }

  /** How long it is mounted, in nanoseconds. */
  public long uptimeNanos() {
    return statistics.elapsedNanos();
  }

  /** Makes slow requests events of Java's flight recorder, whenever that runs. */
  public void recordFlight() {
    statistics.recordFlight();
  }

  /** Files of the mount that are open now. */
  public int openFiles() {
    return fileSystem.openFiles();
  }

  /**
   * Unmounts: at once if nobody uses it; else nobody new may, and it is served on until the last
   * user is done. {@link #await} returns then.
   */
  public void unmount() throws MountException {
    MountTable.Entry now = MountTable.at(mountPoint);
    if (now == null || entry == null || !now.device().equals(entry.device())) {
      // Unmounted by somebody else, or covered by another mount, which is not ours to take down.
      return;
    }
    Unmount.unmount(mountPoint, true);
  }

  /** Whether {@link #await} would return at once. */
  public boolean hasEnded() {
    return session.workers().stream().noneMatch(Thread::isAlive);
  }

  /** Why not everything that was written is durable; null, after {@link #await}, if it is. */
  public @Nullable ImageException failure() {
    return tree.failure();
  }

  /**
   * Waits until it is unmounted and everybody is done, makes durable what was written, and releases
   * all but the image.
   */
  public void await() throws InterruptedException {
    session.await();
    session.close();
    try {
      tree.close();
    } catch (ImageException e) {
      log.fault(e); // failure() tells it
    }
  }
}
