package org.qcowfs.cli.option;

import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.Console;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.model.OpenOptions;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/**
 * The one image a command changes.
 *
 * @param path the file
 * @param format its format, or null to probe
 * @param locking whether the file is locked, as it should be
 */
public record ImageTarget(String path, @Nullable String format, boolean locking) {
  /** The cache modes that qemu-img knows; here every change is made durable at its end. */
  private static final String CACHE = "none|writeback|writethrough|directsync|unsafe";

  /** Gives a command the options for the image it changes. */
  public static void addTo(CommandSpec spec) {
    spec.addOption(
            Options.value(
                "FORMAT", "The image's format: qcow2 or raw; else it is probed.", "-f", "--format"))
        .addOption(
            Options.flag(
                "FILE is a list of options: driver=FORMAT,file.driver=file,file.filename=PATH.",
                "--image-opts"))
        .addOption(
            Options.values(
                "OBJECT", "Accepted as qemu-img does; only secrets, which go unused.", "--object"));
  }

  /** Gives a command {@code -t}. */
  public static void addCacheTo(CommandSpec spec) {
    spec.addOption(
        Options.value(
            CACHE, "Accepted as qemu-img does; what is changed is made durable.", "-t", "--cache"));
  }

  /** Refuses an unknown cache mode. */
  public static void checkCache(ParseResult line, String option, String name)
      throws CommandException {
    String mode = Options.text(line, option);
    if (mode != null && !java.util.List.of(CACHE.split("\\|")).contains(mode)) {
      throw new CommandException("Invalid " + name + " option: " + Escape.text(mode));
    }
  }

  /**
   * Takes the image that {@code operand} names.
   *
   * @throws CommandException if the options do not name a file
   */
  public static ImageTarget of(ParseResult line, String operand) throws CommandException {
    for (String object : Options.texts(line, "--object")) {
      if (!object.startsWith("secret,") && !object.startsWith("qom-type=secret,")) {
        throw new CommandException("invalid object type: " + Escape.text(object.split(",", 2)[0]));
      }
    }
    String format = Options.text(line, "--format");
    boolean list = Options.has(line, "--image-opts");
    if (list && format != null) {
      throw new CommandException("--image-opts and --format are mutually exclusive");
    }
    ImageSource source =
        list ? ImageOptions.parse(operand, false) : ImageOptions.operand(operand, format, false);
    return new ImageTarget(source.path(), source.format(), source.locking());
  }

  /** How the image is to be opened. */
  public OpenOptions options(Console console) {
    return OpenOptions.readOnly().withFormat(format).withWarnings(console::warn);
  }

  /** Where its files are to be opened. */
  public HostFiles files() {
    return locking ? HostFiles.POSIX : HostFiles.unlocked(path);
  }

  /**
   * Looks whether the image and its chain can be opened at all, and what it is.
   *
   * @param chain whether the layers below matter
   * @return the image's format
   * @throws CommandException {@code Could not open 'FILE': reason}
   */
  public String probe(boolean chain, Console console) throws CommandException {
    OpenOptions options =
        OpenOptions.readOnly().withFormat(format).withForceShare(true).withBackingChain(chain);
    try (Image image = Images.open(path, options)) {
      String found = image.info().format();
      warnIfProbedRaw(found, console);
      return found;
    } catch (ImageException e) {
      throw ImageSource.couldNotOpen(path, e);
    }
  }

  /** Says, as QEMU does, that a format found out to be raw may be a guest's trick. */
  public void warnIfProbedRaw(String found, Console console) {
    if (format == null && found.equals("raw")) {
      console
          .err()
          .print(
              "WARNING: Image format was not specified for '"
                  + Escape.text(path)
                  + "' and probing guessed raw.\n"
                  + "         Automatically detecting the format is dangerous for raw images,"
                  + " write operations on block 0 will be restricted.\n"
                  + "         Specify the 'raw' format explicitly to remove the restrictions.\n");
    }
  }

  /** The message for a change that failed: an image that could not be opened is named. */
  public CommandException failure(ImageException e) {
    return e.kind() == ErrorKind.IN_USE && !e.detail().startsWith("Could not open ")
        ? ImageSource.couldNotOpen(path, e)
        : new CommandException(e.detail(), e);
  }
}
