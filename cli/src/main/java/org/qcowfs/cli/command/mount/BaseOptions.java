package org.qcowfs.cli.command.mount;

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.option.ByteSize;
import org.qcowfs.cli.option.Options;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.render.ProgressLine;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.base.Prefetch;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.storage.StorageFiles;
import org.qcowfs.engine.model.OpenOptions;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParseResult;

/** The options of {@code mount} about a base that is far away. */
final class BaseOptions {
  private static final String COPY_ON_READ = "--copy-on-read";
  private static final String PREFETCH = "--prefetch";
  private static final String PROGRESS = "--progress";
  private static final long DRAW_MILLIS = 200;

  private final boolean copyOnRead;

  /** Bytes per second, 0 for no limit; -1 for no prefetch. */
  private final long prefetchRate;

  private final boolean progress;
  private final @Nullable String verify;
  private @Nullable VerifyBase verified;
  private @Nullable Prefetch prefetch;

  private BaseOptions(
      boolean copyOnRead, long prefetchRate, boolean progress, @Nullable String verify) {
    this.verify = verify;
    this.copyOnRead = copyOnRead;
    this.prefetchRate = prefetchRate;
    this.progress = progress;
  }

  static void addTo(CommandSpec spec) {
    spec.addOption(
            Options.flag(
                "Keep in the overlay (with --rw: in the image) a copy of what is read from the"
                    + " files below it, so that it is read from there only once.",
                COPY_ON_READ))
        .addOption(
            OptionSpec.builder(PREFETCH)
                .type(String.class)
                .arity("0..1")
                .preprocessor(new AttachedValue())
                .paramLabel("RATE")
                .description(
                    "As --copy-on-read, and copy all that is used below in the background, with"
                        + " =RATE at most RATE bytes per second (such as 20M). Ends with the mount;"
                        + " the next one goes on. How far it is: the log, DIR/prefetch.json.")
                .build())
        .addOption(
            OptionSpec.builder(VerifyBase.NAME)
                .type(String.class)
                .arity("0..1")
                .preprocessor(new AttachedValue())
                .paramLabel("record")
                .description(
                    "Refuse to mount (exit code 1) if a file below has changed since the overlay"
                        + " (with --rw: the image) was first mounted with this option: size, time,"
                        + " inode or sampled contents, recorded beside it in FILE.base. With"
                        + " =record the files are accepted as they are now.")
                .build())
        .addOption(
            Options.flag("With --prefetch in the foreground: draw how far it is.", "-p", PROGRESS));
  }

  /**
   * @param writable whether the mount has something that can keep a copy
   */
  static BaseOptions of(ParseResult line, boolean writable) throws CommandException {
    boolean copyOnRead = Options.has(line, COPY_ON_READ);
    String rate = Options.text(line, PREFETCH);
    boolean progress = Options.has(line, PROGRESS);
    if ((copyOnRead || rate != null) && !writable) {
      throw new CommandException(
          (rate == null ? COPY_ON_READ : PREFETCH) + " needs --overlay or --rw");
    }
    if (progress && (rate == null || !Options.has(line, "--foreground"))) {
      throw new CommandException(PROGRESS + " needs --foreground and --prefetch");
    }
    String verify = Options.text(line, VerifyBase.NAME);
    if (verify != null && "".equals(Options.text(line, "--overlay"))) {
      throw new CommandException(VerifyBase.NAME + " needs a named overlay");
    }
    return new BaseOptions(copyOnRead, rate == null ? -1 : bytes(rate), progress, verify);
  }

  private static long bytes(String rate) throws CommandException {
    long bytes = rate.isEmpty() ? 0 : ByteSize.parse(rate);
    if (bytes < 0 || bytes == 0 && !rate.isEmpty()) {
      throw new CommandException(
          PREFETCH + ": '" + Escape.text(rate) + "' is no rate; expected one such as 20M");
    }
    return bytes;
  }

  /**
   * Before anything is opened for writing: the files below are the right ones.
   *
   * @param overlay what is put above {@code image}, or null
   * @param files where they are opened
   */
  void verify(Path image, @Nullable Path overlay, OpenOptions options, StorageFiles files)
      throws CommandException, ImageException {
    if (verify != null) {
      verified = VerifyBase.check(verify, image, overlay, options, files);
    }
  }

  /** Has an image do what was asked for; nothing of it has been read yet. */
  void applyTo(Image disk, Consumer<String> log) throws ImageException, CommandException {
    if (verified != null) {
      verified.record();
    }
    if (!copyOnRead && prefetchRate < 0) {
      return;
    }
    if (disk.depth() == 1) {
      throw new CommandException(
          (prefetchRate < 0 ? COPY_ON_READ : PREFETCH) + ": the image has no backing file");
    }
    if (prefetchRate < 0) {
      disk.copyOnRead(log);
    } else {
      prefetch = disk.newPrefetch(prefetchRate, log);
    }
  }

  /** The mount answers: what works in the background begins. */
  void begin() {
    Prefetch created = prefetch;
    if (created == null) {
      return;
    }
    created.start();
    if (progress) {
      Thread drawing = new Thread(() -> draw(created), "progress");
      drawing.setDaemon(true);
      drawing.start();
    }
  }

  private static void draw(Prefetch prefetch) {
    PrintWriter out = new PrintWriter(System.out, false, StandardCharsets.UTF_8);
    try (ProgressLine line = new ProgressLine(out, true)) {
      while (!prefetch.hasEnded()) {
        if (prefetch.total() > 0) {
          line.at(prefetch.done(), prefetch.total());
        }
        // The line is drawn at intervals: the copying must not wait for a terminal.
        Thread.sleep(DRAW_MILLIS);
      }
      line.at(prefetch.done(), Math.max(1, prefetch.total()));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
