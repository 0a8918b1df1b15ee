package org.qcowfs.cli.command.change;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.command.Command;
import org.qcowfs.cli.option.ByteSize;
import org.qcowfs.cli.option.ImageSource;
import org.qcowfs.cli.option.ImageTarget;
import org.qcowfs.cli.option.Options;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.Console;
import org.qcowfs.cli.program.UsageException;
import org.qcowfs.engine.change.Resize;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.model.Preallocation;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** {@code resize}: gives a disk another size. */
public final class ResizeCommand implements Command {
  @Override
  public CommandSpec spec() {
    CommandSpec spec =
        Options.command(
            "resize",
            "Makes a disk larger or smaller.",
            "qcowfs resize vm.qcow2 +10G",
            "SIZE is the new size, or +SIZE and -SIZE what it grows or shrinks by.",
            "What appears reads as zeroes. Shrink the file system inside before the disk.");
    ImageTarget.addTo(spec);
    return spec.addOption(
            Options.value(
                "off|metadata|falloc|full",
                "What of the new part gets host space at once (default: off).",
                "--preallocation"))
        .addOption(Options.flag("Allow the disk to become smaller.", "--shrink"))
        .addOption(Options.flag("Say nothing but errors.", "-q", "--quiet"))
        .addPositional(Options.operands("FILE SIZE"));
  }

  /** The last word is the size, also where it looks like an option: {@code -1G}. */
  @Override
  public List<String> words(List<String> words) throws UsageException {
    if (words.contains("--help") || words.contains("-h")) {
      return words;
    }
    if (words.size() < 2) {
      throw new UsageException("Not enough arguments");
    }
    List<String> separated = new ArrayList<>(words.subList(0, words.size() - 1));
    if (!separated.contains("--")) {
      separated.add("--");
    }
    separated.add(words.get(words.size() - 1));
    return separated;
  }

  @Override
  public int run(ParseResult line, Console console)
      throws IOException, UsageException, CommandException {
    Preallocation preallocation = preallocation(Options.text(line, "--preallocation"));
    List<String> operands = Options.operands(line);
    if (operands.size() != 2) {
      throw new UsageException("Expecting image file name and size");
    }
    ImageTarget target = ImageTarget.of(line, operands.get(0));
    String size = operands.get(1);
    int sign = size.startsWith("+") ? 1 : size.startsWith("-") ? -1 : 0;
    long bytes = bytes(sign == 0 ? size : size.substring(1));
    try (Resize resize = open(target, console)) {
      long now = resize.size();
      long total = sign == 0 ? bytes : now + sign * bytes;
      if (total <= 0) {
        throw new CommandException("New image size must be positive");
      }
      if (total <= now && preallocation != Preallocation.OFF) {
        throw new CommandException("Preallocation can only be used for growing images");
      }
      if (total < now && !Options.has(line, "--shrink")) {
        console.error("Use the --shrink option to perform a shrink operation.");
        console.warn(
            "Shrinking an image will delete all data beyond the shrunken image's end. Before"
                + " performing such an operation, make sure there is no important data there.");
        return 1;
      }
      resize.to(total, preallocation);
    } catch (ImageException e) {
      throw target.failure(e);
    }
    if (!Options.has(line, "--quiet")) {
      console.out().write("Image resized.\n");
    }
    return 0;
  }

  private static Resize open(ImageTarget target, Console console) throws CommandException {
    try {
      Resize resize = Resize.open(target.path(), target.options(console), target.files());
      target.warnIfProbedRaw(resize.format(), console);
      return resize;
    } catch (ImageException e) {
      throw ImageSource.couldNotOpen(target.path(), e);
    }
  }

  private static Preallocation preallocation(@Nullable String word) throws CommandException {
    if (word == null) {
      return Preallocation.OFF;
    }
    for (Preallocation mode : Preallocation.values()) {
      if (mode.name().toLowerCase(Locale.ROOT).equals(word)) {
        return mode;
      }
    }
    throw new CommandException("Invalid preallocation mode '" + Escape.text(word) + "'");
  }

  private static long bytes(String text) throws CommandException {
    long bytes = ByteSize.parse(text);
    if (bytes == ByteSize.NOT_A_SIZE) {
      throw SizeMessage.notASize("size");
    }
    return bytes == ByteSize.TOO_LARGE ? Long.MIN_VALUE : bytes;
  }
}
