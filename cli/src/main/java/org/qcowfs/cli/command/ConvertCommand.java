package org.qcowfs.cli.command;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.option.ByteSize;
import org.qcowfs.cli.option.CacheOption;
import org.qcowfs.cli.option.ImageSource;
import org.qcowfs.cli.option.KeyValues;
import org.qcowfs.cli.option.NewImage;
import org.qcowfs.cli.option.Options;
import org.qcowfs.cli.option.SnapshotChoice;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.Console;
import org.qcowfs.cli.program.UsageException;
import org.qcowfs.cli.render.ProgressLine;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.convert.Convert;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.host.OpenFiles;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.model.Preallocation;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** {@code convert}: copies disks into another image. */
public final class ConvertCommand implements Command {
  private static final int MOST_THREADS = 16;
  private static final int MOST_SPARSE_BYTES = 16 << 20;

  @Override
  public CommandSpec spec() {
    return ConvertSpec.create();
  }

  @Override
  public int run(ParseResult line, Console console)
      throws IOException, UsageException, CommandException, InterruptedException {
    String outFormat = text(line, "-O", "raw");
    KeyValues options = KeyValues.parse(Options.texts(line, "-o"));
    List<String> operands = Options.operands(line);
    if (options.wantsHelp()) {
      NewImage.checkFormat("", outFormat);
      console.out().append(NewImage.help(outFormat, !operands.isEmpty()));
      return 0;
    }
    ConvertSpec.check(line);
    int sparse = sparse(Options.text(line, "-S"));
    int threads = threads(Options.text(line, "-m"));
    long rate = rate(Options.text(line, "-r"));
    boolean durable = CacheOption.isDurable(Options.text(line, "-t"), "unsafe", "cache");
    CacheOption.isDurable(Options.text(line, "-T"), "writeback", "source cache");
    if (operands.size() < 2) {
      throw new CommandException("Must specify image file name");
    }
    String outPath = operands.get(operands.size() - 1);
    String targetFormat = outFormat;
    if (Options.has(line, "--target-image-opts")) {
      if (Options.has(line, "-O")) {
        throw new CommandException("--image-opts and --format are mutually exclusive");
      }
      ImageSource named = ImageSource.ofOptions(outPath);
      outPath = named.path();
      targetFormat = named.format();
    }
    List<Image> opened = new ArrayList<>();
    try {
      List<Image> sources = new ArrayList<>();
      List<ImageSource> named = new ArrayList<>();
      for (String operand : operands.subList(0, operands.size() - 1)) {
        ImageSource source = ImageSource.of(line, operand);
        named.add(source);
        Image image = source.open(OpenOptions.readOnly().withWarnings(console::warn));
        opened.add(image);
        Image disk = SnapshotChoice.of(image, Options.text(line, "-l"));
        sources.add(disk);
      }
      NewImage.checkFormat("", outFormat);
      ConvertBitmaps bitmaps =
          Options.has(line, "--bitmaps")
              ? ConvertBitmaps.find(named, Options.has(line, "--skip-broken-bitmaps"), console)
              : null;
      Convert convert = Convert.from(sources).sparse(sparse).threads(threads).rate(rate);
      if (!Options.has(line, "-n")) {
        create(line, outPath, outFormat, options, convert.size(), named);
        convert.targetIsNew();
      } else if (Options.has(line, "--target-is-zero")) {
        convert.targetIsZero();
      }
      try (Image target = openTarget(outPath, targetFormat, durable)) {
        if (bitmaps != null) {
          ConvertBitmaps.requireSupport(target.info());
        }
        configure(convert, line, target, console);
        copy(convert, line, target, durable, console);
      }
      if (bitmaps != null) {
        OpenOptions writing = OpenOptions.readOnly().withFormat(targetFormat).withWritable(true);
        bitmaps.copyTo(outPath, writing, durable ? HostFiles.POSIX : HostFiles.POSIX_UNSAFE);
      }
      return 0;
    } finally {
      for (Image image : opened) {
        image.close();
      }
    }
  }

  private static void configure(Convert convert, ParseResult line, Image target, Console console)
      throws CommandException, ImageException {
    if (Options.has(line, "-c")) {
      if (target.compressing() == null) {
        throw new CommandException("Compression not supported for this file format");
      }
      convert.compressed();
    }
    if (Options.has(line, "-W")) {
      convert.unordered();
    }
    if (Options.has(line, "-C")) {
      convert.offloaded();
    }
    if (Options.has(line, "--salvage")) {
      boolean quiet = Options.has(line, "--quiet");
      convert.salvage(
          fault -> {
            if (!quiet) {
              console.warn(fault);
            }
          });
    }
    // A target that is there already is overwritten whole, unless it is said what it stands on.
    boolean above =
        Options.has(line, "-n") ? Options.has(line, "-B") : target.info().backingName() != null;
    if (above) {
      convert.aboveBacking(target.depth() > 1 ? target.layer(1).size() : 0);
    }
  }

  private static void copy(
      Convert convert, ParseResult line, Image target, boolean durable, Console console)
      throws IOException, CommandException, InterruptedException {
    boolean shown = Options.has(line, "-p") && !Options.has(line, "--quiet");
    if (shown) {
      convert.counting();
    }
    Interrupt interrupt = Interrupt.install();
    try (ProgressLine progress = new ProgressLine(console.out(), shown).onSignal(console.err())) {
      convert.progress(progress).cancel(interrupt::happened).to(target);
      if (durable) {
        target.flush();
      }
    } catch (ImageException e) {
      throw e.kind() == ErrorKind.OUT_OF_BOUNDS
          ? new CommandException(e.detail(), e) // found before anything was written
          : new CommandException(e.getMessage() + incomplete(target), e);
    } catch (CancellationException e) {
      throw new CommandException("interrupted" + incomplete(target), e);
    } finally {
      interrupt.remove();
    }
  }

  private static String incomplete(Image target) {
    return "; '" + Escape.text(target.path(0)) + "' is incomplete";
  }

  /** Makes the target; a source that is also the target is refused by its lock. */
  private static void create(
      ParseResult line,
      String path,
      String format,
      KeyValues options,
      long size,
      List<ImageSource> sources)
      throws CommandException, ImageException {
    String backing = Options.text(line, "-B");
    if (backing != null) {
      options.put("backing_file", backing);
    }
    String backingFormat = Options.text(line, "-F");
    if (backingFormat != null) {
      options.put("backing_fmt", backingFormat);
    }
    boolean raw = format.equals("raw");
    if (raw && options.has("backing_file")) {
      throw new CommandException("Backing file not supported for file format 'raw'");
    }
    if (options.has("backing_file") && sources.size() > 1) {
      throw new CommandException(
          "Having a backing file for the target makes no sense when concatenating multiple input"
              + " images");
    }
    if (options.has("backing_file") && !options.has("backing_fmt")) {
      throw new CommandException("Use of backing file requires explicit backing format");
    }
    if (Options.has(line, "--bitmaps")
        && (raw || "0.10".equals(options.text("compat")) || "v2".equals(options.text("compat")))) {
      throw new CommandException("Format driver '" + format + "' does not support bitmaps");
    }
    NewImage image = NewImage.of("", format, options).at(path);
    if (Options.has(line, "-c")) {
      if (raw) {
        throw new CommandException("Compression not supported for this file format");
      }
      if (image.preallocation() != Preallocation.OFF) {
        throw new CommandException("Compression and preallocation not supported at the same time");
      }
    }
    try {
      image.make(Math.max(size, options.size("size", size, "")));
    } catch (ImageException e) {
      throw new CommandException(
          Escape.text(path) + ": error while converting " + format + ": " + e.detail(), e);
    }
  }

  private static Image openTarget(String path, @Nullable String format, boolean durable)
      throws CommandException, ImageException {
    OpenOptions options = OpenOptions.readOnly().withFormat(format).withWritable(true);
    Image target;
    try {
      target = Images.open(path, options, durable ? HostFiles.POSIX : HostFiles.POSIX_UNSAFE);
    } catch (ImageException e) {
      throw ImageSource.couldNotOpen(path, e);
    }
    if (OpenFiles.count(target.path(0)) > 1) {
      target.close();
      throw new CommandException(
          "Could not open '" + Escape.text(path) + "': it is also what is to be copied");
    }
    return target;
  }

  private static String text(ParseResult line, String option, String otherwise) {
    String text = Options.text(line, option);
    return text == null ? otherwise : text;
  }

  private static int sparse(@Nullable String text) throws CommandException {
    long bytes = text == null ? 4096 : ByteSize.parse(text);
    if (bytes < 0 || bytes > MOST_SPARSE_BYTES || bytes % 512 != 0) {
      throw new CommandException(
          "Invalid buffer size for sparse output specified. Valid sizes are multiples of 512 up to "
              + MOST_SPARSE_BYTES
              + ". Select 0 to disable sparse detection (fully allocates output).");
    }
    return (int) bytes;
  }

  private static int threads(@Nullable String text) throws CommandException {
    long count = text == null ? 8 : text.matches("[0-9]{1,3}") ? Long.parseLong(text) : 0;
    if (count < 1 || count > MOST_THREADS) {
      throw new CommandException(
          "Invalid number of coroutines. Allowed number of coroutines is between 1 and "
              + MOST_THREADS);
    }
    return (int) count;
  }

  private static long rate(@Nullable String text) throws CommandException {
    long bytes = text == null ? 0 : ByteSize.parse(text);
    if (bytes < 0) {
      throw ByteSize.invalid("rate limit");
    }
    return bytes;
  }
}
