package org.qcowfs.cli.command;

import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.option.ByteSize;
import org.qcowfs.cli.option.ImageSource;
import org.qcowfs.cli.option.KeyValues;
import org.qcowfs.cli.option.NewImage;
import org.qcowfs.cli.option.Options;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.Console;
import org.qcowfs.cli.program.UsageException;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.chain.BackingPath;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.model.BackingPolicy;
import org.qcowfs.engine.model.OpenOptions;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** {@code create}: a new image. */
public final class CreateCommand implements Command {
  @Override
  public CommandSpec spec() {
    return Options.command(
            "create",
            "Makes a new image of SIZE bytes (k, M, G, T, P and E stand for powers of 1024).",
            "qcowfs create -f qcow2 -b base.qcow2 -F qcow2 overlay.qcow2",
            "A file that is there is replaced, unless a program uses it. With a backing file SIZE"
                + " may be left out: the new image is as large. After an error no file is left"
                + " behind.",
            "-o help lists what OPTIONS there are.")
        .addOption(Options.value("FORMAT", "qcow2 or raw (default: raw).", "-f"))
        .addOption(
            Options.file("FILE", "The backing file, which the new image shows at first.", "-b"))
        .addOption(Options.value("FORMAT", "The backing file's format: qcow2 or raw.", "-F"))
        .addOption(Options.flag("Do not look at the backing file; it may not even exist.", "-u"))
        .addOption(
            Options.values(
                "OPTIONS", "Options of the format: key=value, with commas between.", "-o"))
        .addOption(Options.flag("Print nothing but errors.", "-q", "--quiet"))
        .addOption(
            Options.values(
                "OBJECT", "Accepted as qemu-img does; only secrets, which go unused.", "--object"))
        .addPositional(Options.operands("FILE [SIZE]"));
  }

  @Override
  public int run(ParseResult line, Console console)
      throws IOException, UsageException, CommandException {
    String format = Options.text(line, "-f");
    String driver = format == null ? "raw" : format;
    String chosen = driver.equals("file") ? "raw" : driver; // QEMU's name for the bare file
    KeyValues options = KeyValues.parse(Options.texts(line, "-o"));
    List<String> operands = Options.operands(line);
    if (options.wantsHelp()) {
      NewImage.checkFormat("", chosen);
      console.out().append(NewImage.help(chosen, !operands.isEmpty()));
      return 0;
    }
    if (operands.isEmpty()) {
      throw new UsageException("Expecting image file name");
    }
    String path = operands.get(0);
    long size = operands.size() < 2 ? -1 : size(operands.get(1));
    if (operands.size() > 2) {
      throw new UsageException("Unexpected argument: " + Escape.text(operands.get(2)));
    }
    NewImage.checkFormat(path, chosen);
    putBacking(line, options, chosen, path);
    NewImage image = NewImage.of(path, chosen, options);
    size = size(image, size);
    // It stays open, so that no file of its chain can be replaced by the new image.
    try (Image below = backing(image, !Options.has(line, "-u"))) {
      size = size < 0 && below != null ? below.size() : size;
      if (size < 0) {
        throw new CommandException(Escape.text(path) + ": Image creation needs a size parameter");
      }
      if (!Options.has(line, "--quiet")) {
        console.out().append(image.announcement(driver, size)).append('\n');
        console.out().flush();
      }
      image.at(ImageSource.plainPath(path)).create(size);
    }
    return 0;
  }

  /** {@code -b} and {@code -F} are other spellings of two options. */
  private static void putBacking(ParseResult line, KeyValues options, String format, String path)
      throws CommandException {
    String backing = Options.text(line, "-b");
    String backingFormat = Options.text(line, "-F");
    if (format.equals("raw") && (backing != null || backingFormat != null)) {
      throw new CommandException(
          Escape.text(path)
              + ": Backing "
              + (backing != null ? "file" : "format")
              + " not supported for file format 'raw'");
    }
    if (backing != null) {
      options.put("backing_file", backing);
    }
    if (backingFormat != null) {
      options.put("backing_fmt", backingFormat);
    }
  }

  static long size(String text) throws CommandException {
    long size = ByteSize.parse(text);
    if (size == ByteSize.TOO_LARGE) {
      throw new CommandException(
          "Invalid image size specified. Must be between 0 and 9223372036854775807.");
    }
    if (size == ByteSize.NOT_A_SIZE) {
      throw ByteSize.invalid("image size");
    }
    return size;
  }

  /** The size from where it is said, the operand or the option; negative if it is not. */
  private static long size(NewImage image, long operand) throws CommandException {
    if (operand >= 0 && image.options().has("size")) {
      throw new CommandException(
          Escape.text(image.path()) + ": The image size must be specified only once");
    }
    return image.options().size("size", operand, image.path());
  }

  /** Returns the open backing file, or null if there is none or it is not looked at. */
  private static @Nullable Image backing(NewImage image, boolean open) throws CommandException {
    String shown = Escape.text(image.path());
    String backing = image.options().text("backing_file");
    if (backing == null) {
      return null;
    }
    if (backing.isEmpty()) {
      throw new CommandException(shown + ": Expected backing file name, got empty string");
    }
    if (backing.equals(image.path())) {
      throw new CommandException(
          shown + ": Error: Trying to create an image with the same filename as the backing file");
    }
    String format = image.options().text("backing_fmt");
    if (!open) {
      if (format == null) {
        throw new CommandException(shown + ": Backing file specified without backing format");
      }
      return null;
    }
    try {
      Image below = open(image.path(), backing, format);
      if (format == null) {
        String detected = below.info().format();
        below.close();
        throw new CommandException(
            shown
                + ": Backing file specified without backing format\nDetected format of "
                + detected
                + ".");
      }
      return below;
    } catch (ImageException e) {
      throw new CommandException(shown + ": " + reason(e) + "\nCould not open backing image.", e);
    }
  }

  private static String reason(ImageException e) {
    return e.detail().startsWith("Could not open '") || e.detail().startsWith("Unknown driver")
        ? e.detail()
        : "Could not open '" + Escape.text(e.file()) + "': " + e.detail();
  }

  private static Image open(String path, String backing, @Nullable String format)
      throws ImageException, CommandException {
    // What is typed here is a request; as a name in a header it will be refused like any other.
    String file =
        backing.startsWith("json:")
            ? ImageSource.ofJson(backing).path()
            : BackingPath.resolve(path, backing, "backing file", BackingPolicy.ANY);
    return Images.open(file, OpenOptions.readOnly().withFormat(format).withForceShare(true));
  }
}
