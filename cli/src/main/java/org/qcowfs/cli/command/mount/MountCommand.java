package org.qcowfs.cli.command.mount;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.CommandException;
import org.qcowfs.cli.Main;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.model.BackingPolicy;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.fuse.ImageMount;
import org.qcowfs.fuse.MountException;
import org.qcowfs.fuse.MountOptions;
import org.qcowfs.fuse.system.MountRecord;
import org.qcowfs.fuse.system.MountRecords;
import org.qcowfs.fuse.tree.CacheMode;
import org.qcowfs.fuse.tree.DetectZeroes;
import org.qcowfs.fuse.tree.WritePolicy;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code mount}: shows an image as flat raw files. */
@Command(
    name = "mount",
    mixinStandardHelpOptions = true,
    footer = {"", "Example:", "  qcowfs mount vm.qcow2 /mnt/vm"},
    description = {
      "Mounts an image on an empty folder, which then holds the disk (disk.raw), its description"
          + " (info.json, map.json, check.json), one folder per snapshot (snapshots/) and one per"
          + " layer of the backing chain (layers/).",
      "On an empty regular file it mounts the flat disk alone. Without --rw nothing is ever written"
          + " to the image."
    })
public final class MountCommand implements Callable<Integer> {
  @Parameters(index = "0", paramLabel = "IMAGE", description = "The image file.")
  private String image = "";

  @Parameters(
      index = "1",
      paramLabel = "DIR",
      description = "An empty folder, or an empty regular file.")
  private String directory = "";

  @Option(
      names = {"-f", "--foreground"},
      description = "Stay in the foreground; log to the terminal.")
  private boolean foreground;

  @Option(
      names = "--format",
      paramLabel = "FMT",
      description = "The image's format: qcow2 or raw (default: found out).")
  private @Nullable String format;

  @Option(names = "--rw", description = "Let disk.raw be written to: into the image itself.")
  private boolean readWrite;

  @Option(
      names = "--overlay",
      paramLabel = "FILE",
      arity = "0..1",
      preprocessor = AttachedValue.class,
      description = {
        "Let disk.raw be written to: into the qcow2 overlay FILE above the image, made if it is not"
            + " there. The image is never opened for writing.",
        "Without =FILE the overlay is a temporary one in $TMPDIR (/var/tmp), gone after the"
            + " unmount."
      })
  private @Nullable String overlay;

  @Option(
      names = "--overlay-options",
      paramLabel = "OPTIONS",
      converter = OverlayOptionsConverter.class,
      description =
          "For a new overlay: cluster_size=SIZE, extended_l2=on|off, size=SIZE, with commas"
              + " between.")
  private @Nullable OverlayOptions overlayOptions;

  @Option(
      names = "--cache",
      paramLabel = "MODE",
      defaultValue = "writeback",
      converter = CacheModeConverter.class,
      description =
          "writeback (default), writethrough, none, directsync or unsafe, as for QEMU. In the"
              + " first and the last the kernel reports a write past the end of the disk at fsync"
              + " or close.")
  private CacheMode cache = CacheMode.WRITEBACK;

  @Option(
      names = "--discard",
      paramLabel = "MODE",
      defaultValue = "unmap",
      converter = DiscardConverter.class,
      description = "Whether holes punched into disk.raw free space: unmap (default) or ignore.")
  private Discard discard = Discard.UNMAP;

  @Option(
      names = "--detect-zeroes",
      paramLabel = "MODE",
      defaultValue = "off",
      converter = DetectZeroesConverter.class,
      description = "Store written zeroes as zeroes: off (default), on, or unmap to free space.")
  private DetectZeroes detectZeroes = DetectZeroes.OFF;

  @Option(
      names = {"-U", "--force-share"},
      description = "Read even while another program writes to the image.")
  private boolean forceShare;

  @Option(
      names = "--backing",
      paramLabel = "POLICY",
      defaultValue = "any",
      converter = BackingPolicyConverter.class,
      description =
          "Which other files the image may have opened: any, same-dir or deny (default: any).")
  private BackingPolicy backing = BackingPolicy.ANY;

  @Option(
      names = "--l2-cache-size",
      paramLabel = "SIZE",
      converter = ByteSizeConverter.class,
      description = "Memory for the image's tables, in bytes or with k, M, G (default: 32M).")
  private long cacheBytes = OpenOptions.DEFAULT_CACHE_BYTES;

  @Option(
      names = "-o",
      paramLabel = "OPTIONS",
      description = "Mount options of mount(8) and libfuse, such as allow_other, uid=1000.")
  private List<String> options = new ArrayList<>();

  @Option(
      names = "--pid-file",
      paramLabel = "FILE",
      description = "Write the serving process's number here; removed when it ends.")
  private @Nullable Path pidFile;

  @Option(
      names = "--log-file",
      paramLabel = "FILE",
      description = "Append errors here when in the background (default: the system log).")
  private @Nullable Path logFile;

  @Option(
      names = {"-v", "--verbose"},
      description = "Say what is mounted, by which process, and where its log goes.")
  private boolean verbose;

  @Override
  public Integer call() throws ImageException, CommandException, InterruptedException {
    Background background = foreground ? null : Background.ofLauncher();
    // Absolute, because a process in the background has no current folder.
    Path file = absolute(image);
    Path mountPoint = mountPoint(directory);
    boolean writable = readWrite || overlay != null;
    checkClashes();
    MountOptions mountOptions =
        new MountOptions(
            mountPoint,
            file.toString(),
            writable ? new WritePolicy(cache, discard == Discard.UNMAP, detectZeroes) : null,
            MountOptionList.parse(options, writable));
    MountLog log = log();
    OpenOptions open =
        OpenOptions.readOnly()
            .withFormat(format)
            .withForceShare(forceShare)
            .withBackingPolicy(backing)
            .withCacheBytes(cacheBytes)
            .withWarnings(line -> log.accept("warning: " + line));
    MountRecord record = null;
    Image disk = open(file, open);
    ImageException failure = null;
    try {
      StopSignals signals = StopSignals.install(log);
      ImageMount mount = ImageMount.start(disk, mountOptions, log);
      signals.stops(mount);
      record = record(mount, file, mountPoint, background == null ? "stderr" : log.place());
      List<Path> notes = List.of();
      try {
        notes = writeNotes(record);
        announce(mountPoint, background, log);
        if (background != null) {
          log.leaveTerminal();
          if (!background.enter()) {
            mount.unmount();
          }
        }
        mount.await();
      } finally {
        for (Path note : notes) {
          deleteQuietly(note);
        }
        if (!mount.hasEnded()) {
          mount.unmount();
        }
      }
      failure = mount.failure();
    } catch (MountException e) {
      throw new CommandException(String.valueOf(e.getMessage()));
    } finally {
      try {
        disk.close();
      } catch (ImageException e) {
        failure = failure == null ? e : failure;
      }
      if (failure != null) {
        reportLoss(record, failure, log);
      }
    }
    return failure == null ? 0 : 1;
  }

  private void checkClashes() throws CommandException {
    if (readWrite && overlay != null) {
      throw new CommandException("--rw and --overlay exclude each other");
    }
    if (overlayOptions != null && overlay == null) {
      throw new CommandException("--overlay-options needs --overlay");
    }
    if (readWrite && forceShare) {
      throw new CommandException("--force-share goes with reading only, not with --rw");
    }
  }

  private Image open(Path file, OpenOptions options) throws ImageException, CommandException {
    if (overlay == null) {
      return Images.open(file.toString(), options.withWritable(readWrite));
    }
    OverlayOptions wanted = overlayOptions == null ? OverlayOptions.DEFAULT : overlayOptions;
    return overlay.isEmpty()
        ? Overlay.openTemporary(file, wanted, options)
        : Overlay.open(absolute(overlay), file, overlayOptions, options);
  }

  /** Not all that was written is in the image: the log, the umount command and we say so. */
  private static void reportLoss(
      @Nullable MountRecord record, ImageException failure, MountLog log) {
    String message = "what was written last is lost: " + failure.getMessage();
    log.accept(message);
    if (record != null) {
      try {
        MountRecords.writeFailure(record, message);
      } catch (IOException e) {
        log.accept("the umount command will not know: " + Escape.text("" + e));
      }
    }
  }

  private MountLog log() throws CommandException {
    try {
      return MountLog.to(logFile);
    } catch (IOException e) {
      throw new CommandException("Could not write the log: " + Escape.text("" + e.getMessage()));
    }
  }

  private static Path absolute(String name) throws CommandException {
    try {
      return Path.of(name).toAbsolutePath();
    } catch (InvalidPathException e) {
      throw new CommandException("'" + Escape.text(name) + "' is no file name");
    }
  }

  /** The mount point as the kernel will name it. */
  private static Path mountPoint(String name) throws CommandException {
    return MountPoints.real(absolute(name));
  }

  private static MountRecord record(ImageMount mount, Path file, Path mountPoint, String log) {
    ProcessHandle self = ProcessHandle.current();
    return new MountRecord(
        self.pid(),
        MountRecord.startOf(self),
        file.toString(),
        mountPoint.toString(),
        mount.device(),
        log);
  }

  /** What other commands and scripts find the mount by; returns the files, to be removed. */
  private List<Path> writeNotes(MountRecord record) throws CommandException {
    List<Path> written = new ArrayList<>();
    try {
      written.add(MountRecords.write(record));
    } catch (IOException e) {
      System.err.println(
          Main.NAME + ": warning: 'mounts' will not know this one: " + Escape.text("" + e));
    }
    if (pidFile != null) {
      Path absolute = pidFile.toAbsolutePath();
      try {
        Files.writeString(absolute, record.pid() + "\n");
      } catch (IOException e) {
        written.forEach(MountCommand::deleteQuietly);
        throw new CommandException("Could not write the pid file: " + Escape.text("" + e));
      }
      written.add(absolute);
    }
    return written;
  }

  private void announce(Path mountPoint, @Nullable Background background, MountLog log) {
    if (verbose) {
      System.out.printf(
          "%s mounted on %s by process %d, log: %s%n",
          Escape.text(image),
          Escape.text(mountPoint.toString()),
          ProcessHandle.current().pid(),
          background == null ? "this terminal" : Escape.text(log.place()));
    }
  }

  private static void deleteQuietly(Path file) {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      // Nobody relies on it: a record of a process that is gone is skipped.
    }
  }
}
