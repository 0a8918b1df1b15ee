package org.qcowfs.cli.option;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.CommandException;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.model.OpenOptions;

/**
 * The one image a command is about, and how to open it.
 *
 * @param path the file
 * @param format its format, or null to probe
 * @param forceShare whether to read even while another process writes
 */
public record ImageSource(String path, @Nullable String format, boolean forceShare) {
  public static final Option FORMAT =
      Option.value('f', "format", "FORMAT", "The image's format: qcow2 or raw; else it is probed.");
  public static final Option SHARE =
      Option.flag('U', "force-share", "Read the image even while another process writes to it.");
  public static final Option IMAGE_OPTS =
      Option.flag(
          (char) 0,
          "image-opts",
          "FILE is a list of options: driver=FORMAT,file.driver=file,file.filename=PATH.");
  public static final Option OBJECT =
      Option.value(
          (char) 0,
          "object",
          "OBJECT",
          "Accepted as qemu-img does; only secrets, which go unused.");

  /** The options every command with an image takes. */
  public static final List<Option> OPTIONS = List.of(FORMAT, SHARE, IMAGE_OPTS, OBJECT);

  /**
   * Takes the image from a command line.
   *
   * @throws UsageException unless there is exactly one operand
   * @throws CommandException if the options do not name a file
   */
  public static ImageSource of(Arguments arguments) throws UsageException, CommandException {
    if (arguments.operands().size() != 1) {
      throw new UsageException("Expecting one image file name");
    }
    for (String object : arguments.values(OBJECT)) {
      if (!object.startsWith("secret,") && !object.startsWith("qom-type=secret,")) {
        throw new CommandException("invalid object type: " + Escape.text(object.split(",", 2)[0]));
      }
    }
    String operand = arguments.operands().get(0);
    String format = arguments.value(FORMAT);
    boolean share = arguments.has(SHARE);
    if (!arguments.has(IMAGE_OPTS)) {
      return new ImageSource(operand, format, share);
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
      return Images.open(path, options.withFormat(format).withForceShare(forceShare));
    } catch (ImageException e) {
      throw couldNotOpen(path, e);
    }
  }

  /** {@code Could not open 'FILE': reason}, naming the file at fault where it is another. */
  public static CommandException couldNotOpen(String path, ImageException e) {
    String reason = e.file().equals(path) ? e.detail() : String.valueOf(e.getMessage());
    String prefix = "Could not open '" + Escape.text(path) + "': ";
    return new CommandException(reason.startsWith(prefix) ? reason : prefix + reason, e);
  }
}
