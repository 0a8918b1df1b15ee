package org.qcowfs.cli.command;

import java.io.IOException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.qcowfs.cli.option.ByteSize;
import org.qcowfs.cli.option.ImageSource;
import org.qcowfs.cli.option.Options;
import org.qcowfs.cli.option.OutputFormat;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.Console;
import org.qcowfs.cli.program.UsageException;
import org.qcowfs.cli.render.MapText;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.json.MapJson;
import org.qcowfs.engine.json.MapWalk;
import org.qcowfs.engine.model.OpenOptions;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** {@code map}: which file holds which part of the disk. */
public final class MapCommand implements Command {

  @Override
  public CommandSpec spec() {
    CommandSpec spec =
        Options.command(
            "map",
            "Shows which file of the backing chain holds which part of the disk.",
            "qcowfs map --output=json --start-offset=1G --max-length=64M vm.qcow2",
            "OFFSET and LENGTH are bytes; k, M, G, T, P and E stand for powers of 1024.",
            "The text form shows stored data only and stops at compressed clusters; JSON shows"
                + " all.",
            "Damaged ranges are reported; JSON marks them with a member 'damaged'.");
    ImageSource.addTo(spec);
    return spec.addOption(OutputFormat.option())
        .addOption(
            Options.value("OFFSET", "First byte to show (default: 0).", "-s", "--start-offset"))
        .addOption(
            Options.value("LENGTH", "Bytes to show (default: to the end).", "-l", "--max-length"));
  }

  @Override
  public int run(ParseResult line, Console console)
      throws IOException, UsageException, CommandException {
    OutputFormat output = OutputFormat.of(line);
    long start = size(line, "--start-offset", "start offset", 0);
    long length = size(line, "--max-length", "max length", Long.MAX_VALUE);
    ImageSource source = ImageSource.of(line);
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

  private static long size(ParseResult line, String option, String what, long otherwise)
      throws CommandException {
    String text = Options.text(line, option);
    if (text == null) {
      return otherwise;
    }
    long bytes = ByteSize.parse(text);
    if (bytes == ByteSize.TOO_LARGE) {
      throw new CommandException(
          "Invalid " + what + " specified. Must be between 0 and 9223372036854775807.");
    }
    if (bytes == ByteSize.NOT_A_SIZE) {
      throw ByteSize.invalid(what);
    }
    return bytes;
  }
}
