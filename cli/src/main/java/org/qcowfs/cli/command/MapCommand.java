package org.qcowfs.cli.command;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.qcowfs.cli.CommandException;
import org.qcowfs.cli.Console;
import org.qcowfs.cli.option.Arguments;
import org.qcowfs.cli.option.ByteSize;
import org.qcowfs.cli.option.ImageSource;
import org.qcowfs.cli.option.Option;
import org.qcowfs.cli.option.OutputFormat;
import org.qcowfs.cli.option.Synopsis;
import org.qcowfs.cli.option.UsageException;
import org.qcowfs.cli.render.MapText;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.json.MapJson;
import org.qcowfs.engine.json.MapWalk;
import org.qcowfs.engine.model.OpenOptions;

/** {@code map}: which file holds which part of the disk. */
public final class MapCommand implements Command {
  private static final Option START =
      Option.value('s', "start-offset", "OFFSET", "First byte to show (default: 0).");
  private static final Option LENGTH =
      Option.value('l', "max-length", "LENGTH", "Bytes to show (default: to the end).");

  @Override
  public Synopsis synopsis() {
    List<Option> options = new ArrayList<>(ImageSource.OPTIONS);
    options.add(OutputFormat.OPTION);
    options.add(START);
    options.add(LENGTH);
    return new Synopsis(
        "map",
        "FILE",
        "Shows which file of the backing chain holds which part of the disk.",
        options,
        List.of(
            "OFFSET and LENGTH are bytes; k, M, G, T, P and E stand for powers of 1024.",
            "The text form shows stored data only and stops at compressed clusters; JSON shows all.",
            "Damaged ranges are reported; JSON marks them with a member 'damaged'."),
        "qcowfs map --output=json --start-offset=1G --max-length=64M vm.qcow2");
  }

  @Override
  public int run(Arguments arguments, Console console)
      throws IOException, UsageException, CommandException {
    OutputFormat output = OutputFormat.of(arguments);
    long start = size(arguments, START, "start offset", 0);
    long length = size(arguments, LENGTH, "max length", Long.MAX_VALUE);
    ImageSource source = ImageSource.of(arguments);
    OpenOptions options = OpenOptions.readOnly().withWarnings(console::warn);
    try (Image image = source.open(options)) {
      MapWalk walk = new MapWalk(image, start, length);
      AtomicInteger code = new AtomicInteger();
      Consumer<ImageException> damages =
          damage -> {
            console.error(String.valueOf(damage.getMessage()));
            code.set(1);
          };
      if (output == OutputFormat.JSON) {
        MapJson.write(walk, start, console.out(), damages);
      } else {
        MapText.write(walk, console.out(), damages);
      }
      return code.get();
    }
  }

  private static long size(Arguments arguments, Option option, String what, long otherwise)
      throws CommandException {
    String text = arguments.value(option);
    if (text == null) {
      return otherwise;
    }
    long bytes = ByteSize.parse(text);
    if (bytes == ByteSize.TOO_LARGE) {
      throw new CommandException(
          "Invalid " + what + " specified. Must be between 0 and 9223372036854775807.");
    }
    if (bytes == ByteSize.NOT_A_SIZE) {
      throw new CommandException(
          "Invalid "
              + what
              + " specified. You may use k, M, G, T, P or E suffixes for kilobytes, megabytes,"
              + " gigabytes, terabytes, petabytes and exabytes.");
    }
    return bytes;
  }
}
