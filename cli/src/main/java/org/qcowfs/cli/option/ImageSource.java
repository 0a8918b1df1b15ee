package org.qcowfs.cli.option;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.Sandbox;
import org.qcowfs.cli.program.UsageException;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.model.ImageInfo;
import org.qcowfs.engine.model.OpenOptions;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/**
 * The one image a command is about, and how to open it.
 *
 * @param path the file
 * @param format its format, or null to probe
 * @param forceShare whether to read even while another process writes
 * @param locking whether one who writes locks the file; without, {@code forceShare} is set too
 */
public record ImageSource(
    String path, @Nullable String format, boolean forceShare, boolean locking) {
  /** Gives a command the options every command with an image takes, and the operand. */
  public static void addTo(CommandSpec spec) {
    spec.addOption(
            Options.value(
                "FORMAT", "The image's format: qcow2 or raw; else it is probed.", "-f", "--format"))
        .addOption(
            Options.flag(
                "Read the image even while another process writes to it.", "-U", "--force-share"))
        .addOption(
            Options.flag(
                "FILE is a list of options: driver=FORMAT,file.driver=file,file.filename=PATH.",
                "--image-opts"))
        .addOption(
            Options.values(
                "OBJECT", "Accepted as qemu-img does; only secrets, which go unused.", "--object"))
        .addPositional(Options.operands("FILE"));
  }

  /**
   * Takes the image from a command line.
   *
   * @throws UsageException unless there is exactly one operand
   * @throws CommandException if the options do not name a file
   */
  public static ImageSource of(ParseResult line) throws UsageException, CommandException {
    List<String> operands = Options.operands(line);
    if (operands.size() != 1) {
      throw new UsageException("Expecting one image file name");
    }
    return of(line, operands.get(0));
  }

  /**
   * Takes the image that {@code operand} names, of several.
   *
   * @throws CommandException if the options do not name a file
   */
  public static ImageSource of(ParseResult line, String operand) throws CommandException {
    return of(line, operand, Options.text(line, "-f"));
  }

  /** As {@link #of(ParseResult, String)}, with a format that another option gave. */
  public static ImageSource of(ParseResult line, String operand, @Nullable String format)
      throws CommandException {
    for (String object : Options.texts(line, "--object")) {
      if (!object.startsWith("secret,") && !object.startsWith("qom-type=secret,")) {
        throw new CommandException("invalid object type: " + Escape.text(object.split(",", 2)[0]));
      }
    }
    boolean share = Options.has(line, "--force-share");
    if (!Options.has(line, "--image-opts")) {
      return ImageOptions.operand(operand, format, share);
    }
    if (format != null) {
      throw new CommandException("--image-opts and --format are mutually exclusive");
    }
    return ImageOptions.parse(operand, share);
  }

  /**
   * Opens the image.
   *
   * @throws CommandException {@code Could not open 'FILE': reason}
   */
  public Image open(OpenOptions options) throws CommandException {
    try {
      OpenOptions limited = Sandbox.limit(options);
      HostFiles files = locking ? HostFiles.POSIX : HostFiles.unlocked(path);
      return Images.open(path, limited.withFormat(format).withForceShare(forceShare), files);
    } catch (ImageException e) {
      throw couldNotOpen(path, e);
    }
  }

  /** What the image says of itself, its bitmaps included. */
  public ImageInfo describe() throws CommandException, ImageException {
    try (Image image = open(OpenOptions.readOnly().forDescription())) {
      return image.info();
    }
  }

  /** The image that an option list as of {@code --image-opts} names. */
  public static ImageSource ofOptions(String list) throws CommandException {
    return ImageOptions.parse(list, false);
  }

  /** The image that {@code json:{...}} names. */
  public static ImageSource ofJson(String json) throws CommandException {
    return ImageOptions.operand(json, null, false);
  }

  /** The path that an operand names: without {@code file:} before it. */
  public static String plainPath(String operand) {
    return ImageOptions.plainPath(operand);
  }

  /** {@code Could not open 'FILE': reason}, naming the file at fault where it is another. */
  public static CommandException couldNotOpen(String path, ImageException e) {
    if (e.detail().endsWith("creates an infinite loop.")) {
      return new CommandException(e.detail(), e);
    }
    String reason = e.file().equals(path) ? e.detail() : String.valueOf(e.getMessage());
    String prefix = "Could not open '" + Escape.text(path) + "': ";
    return new CommandException(reason.startsWith(prefix) ? reason : prefix + reason, e);
  }
}
