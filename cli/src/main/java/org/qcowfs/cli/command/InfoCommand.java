package org.qcowfs.cli.command;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.qcowfs.cli.CommandException;
import org.qcowfs.cli.Console;
import org.qcowfs.cli.option.Arguments;
import org.qcowfs.cli.option.ImageSource;
import org.qcowfs.cli.option.Option;
import org.qcowfs.cli.option.OutputFormat;
import org.qcowfs.cli.option.Synopsis;
import org.qcowfs.cli.option.UsageException;
import org.qcowfs.cli.render.InfoText;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.json.InfoJson;
import org.qcowfs.engine.model.ImageInfo;
import org.qcowfs.engine.model.OpenOptions;

/** {@code info}: what an image says of itself. */
public final class InfoCommand implements Command {
  private static final Option CHAIN =
      Option.flag((char) 0, "backing-chain", "Also show the backing files, the top image first.");

  @Override
  public Synopsis synopsis() {
    List<Option> options = new ArrayList<>(ImageSource.OPTIONS);
    options.add(OutputFormat.OPTION);
    options.add(CHAIN);
    return new Synopsis(
        "info",
        "FILE",
        "Shows what an image says of itself: size, format, backing file, snapshots.",
        options,
        List.of("Neither backing file nor data file is opened without --backing-chain."),
        "qcowfs info --output=json --backing-chain vm.qcow2");
  }

  @Override
  public int run(Arguments arguments, Console console)
      throws IOException, UsageException, CommandException {
    OutputFormat output = OutputFormat.of(arguments);
    ImageSource source = ImageSource.of(arguments);
    boolean chain = arguments.has(CHAIN);
    OpenOptions options =
        OpenOptions.readOnly().forDescription().withBackingChain(chain).withWarnings(console::warn);
    try (Image image = source.open(options)) {
      List<ImageInfo> layers = new ArrayList<>();
      for (int depth = 0; depth < image.depth(); depth++) {
        layers.add(image.info(depth));
      }
      if (output == OutputFormat.HUMAN) {
        InfoText.write(layers, console.out());
      } else if (chain) {
        InfoJson.writeChain(layers, console.out());
      } else {
        InfoJson.write(layers.get(0), console.out());
      }
    }
    return 0;
  }
}
