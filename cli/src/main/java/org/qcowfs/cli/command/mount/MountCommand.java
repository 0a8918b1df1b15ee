package org.qcowfs.cli.command.mount;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.command.Command;
import org.qcowfs.cli.option.Options;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.Console;
import org.qcowfs.cli.program.ProgramName;
import org.qcowfs.cli.program.Sandbox;
import org.qcowfs.cli.program.UsageException;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.storage.StorageFiles;
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
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** {@code mount}: shows an image as flat raw files. */
public final class MountCommand implements Command {
  private String image = "";
  private @Nullable String overlay;
  private @Nullable OverlayOptions overlayOptions;
  private boolean readWrite;
  private boolean forceShare;
  private @Nullable Path pidFile;
  private boolean growable;
  private boolean verbose;

  @Override
  public CommandSpec spec() {
    return MountSpec.create();
  }

  @Override
  public int run(ParseResult line, Console console)
      throws ImageException, UsageException, CommandException, InterruptedException {
    List<String> operands = Options.operands(line);
    if (operands.size() != 2) {
      throw new UsageException("Expecting an image file and a mount point");
    }
    image = operands.get(0);
    overlay = Options.text(line, "--overlay");
    overlayOptions = line.matchedOptionValue("--overlay-options", (OverlayOptions) null);
    readWrite = Options.has(line, "--rw");
    forceShare = Options.has(line, "--force-share");
    growable = Options.has(line, "--growable");
    verbose = Options.has(line, "--verbose");
    pidFile = pathOrNull(Options.text(line, "--pid-file"));
    CacheMode cache = line.matchedOptionValue("--cache", CacheMode.WRITEBACK);
    Discard discard = line.matchedOptionValue("--discard", Discard.UNMAP);
    DetectZeroes detectZeroes = line.matchedOptionValue("--detect-zeroes", DetectZeroes.OFF);
    Background background = Options.has(line, "--foreground") ? null : Background.ofLauncher();
    // Absolute, because a process in the background has no current folder.
    Path file = absolute(image);
    Path mountPoint = mountPoint(operands.get(1));
    boolean writable = readWrite || overlay != null;
    checkClashes();
    BaseOptions base = BaseOptions.of(line, writable);
    MountOptions mountOptions =
        new MountOptions(
            mountPoint,
            file.toString(),
            writable
                ? new WritePolicy(cache, discard == Discard.UNMAP, detectZeroes, growable)
                : null,
            MountOptionList.parse(Options.texts(line, "-o"), writable));
    String metricsText = Options.text(line, "--metrics");
    InetSocketAddress metrics = metricsText == null ? null : MetricsAddress.parse(metricsText);
    MountLog log = log(pathOrNull(Options.text(line, "--log-file")));
    OpenOptions open =
        OpenOptions.readOnly()
            .withFormat(Options.text(line, "--format"))
            .withForceShare(forceShare)
            .withBackingPolicy(
                Sandbox.policy(
                    line.matchedOptionValue("--backing", (BackingPolicy) null), BackingPolicy.ANY))
            .withCacheBytes(
                line.matchedOptionValue("--l2-cache-size", OpenOptions.DEFAULT_CACHE_BYTES))
            .withWarnings(text -> log.accept("warning: " + text));
    MountRecord record = null;
    StorageFiles files = StorageOptions.files(line, !forceShare, log);
    base.verify(file, overlay == null ? null : absolute(overlay), open, files);
    Image disk = open(file, open, files);
    ImageException failure = null;
    try {
      base.applyTo(disk, log);
      StopSignals signals = StopSignals.install(log);
      ImageMount mount = ImageMount.start(disk, mountOptions, log);
      signals.stops(mount);
      record = record(mount, file, mountPoint, background == null ? "stderr" : log.place());
      List<Path> notes = List.of();
      MetricsEndpoint endpoint = null;
      try {
        if (metrics != null) {
          endpoint = MetricsEndpoint.start(metrics, mount);
        }
        notes = writeNotes(record);
        announce(mountPoint, background, log);
        if (background != null) {
          log.leaveTerminal();
          if (!background.enter()) {
            mount.unmount();
          }
        }
        recordFlight(mount);
        base.begin();
        mount.await();
      } finally {
        if (endpoint != null) {
          endpoint.close();
        }
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

  private static void recordFlight(ImageMount mount) {
    try {
      mount.recordFlight();
    } catch (LinkageError e) {
      // This Java has no flight recorder.
    }
  }

  private void checkClashes() throws CommandException {
    if (readWrite && overlay != null) {
      throw new CommandException("--rw and --overlay exclude each other");
    }
    if (overlayOptions != null && overlay == null) {
      throw new CommandException("--overlay-options needs --overlay");
    }
    if (growable && !readWrite && overlay == null) {
      throw new CommandException("--growable needs --rw or --overlay");
    }
    if (readWrite && forceShare) {
      throw new CommandException("--force-share goes with reading only, not with --rw");
    }
  }

  private Image open(Path file, OpenOptions options, StorageFiles files)
      throws ImageException, CommandException {
    if (overlay == null) {
      return Images.open(file.toString(), options.withWritable(readWrite), files);
    }
    OverlayOptions wanted = overlayOptions == null ? OverlayOptions.DEFAULT : overlayOptions;
    return overlay.isEmpty()
        ? Overlay.openTemporary(file, wanted, options, files)
        : Overlay.open(absolute(overlay), file, overlayOptions, options, files);
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

  private MountLog log(@Nullable Path file) throws CommandException {
    try {
      return MountLog.to(file);
    } catch (IOException e) {
      throw new CommandException("Could not write the log: " + Escape.text("" + e.getMessage()));
    }
  }

  private static @Nullable Path pathOrNull(@Nullable String name) throws CommandException {
    return name == null ? null : absolute(name);
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
    long self = ProcessHandle.current().pid();
    return new MountRecord(
        self,
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
          ProgramName.VALUE + ": warning: 'mounts' will not know this one: " + Escape.text("" + e));
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
