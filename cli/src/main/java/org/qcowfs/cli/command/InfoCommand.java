package org.qcowfs.cli.command;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.qcowfs.cli.option.ImageSource;
import org.qcowfs.cli.option.Options;
import org.qcowfs.cli.option.OutputFormat;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.Console;
import org.qcowfs.cli.program.UsageException;
import org.qcowfs.cli.render.InfoText;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.json.InfoJson;
import org.qcowfs.engine.model.ImageInfo;
import org.qcowfs.engine.model.OpenOptions;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** {@code info}: what an image says of itself. */
public final class InfoCommand implements Command {

  @Override
  public CommandSpec spec() {
    CommandSpec spec =
        Options.command(
            "info",
            "Shows what an image says of itself: size, format, backing file, snapshots.",
            "qcowfs info --output=json --backing-chain vm.qcow2",
            "Neither backing file nor data file is opened without --backing-chain.");
    ImageSource.addTo(spec);
    return spec.addOption(OutputFormat.option())
        .addOption(
            Options.flag("Also show the backing files, the top image first.", "--backing-chain"));
  }

  @Override
  public int run(ParseResult line, Console console)
      throws IOException, UsageException, CommandException {
    OutputFormat output = OutputFormat.of(line);
    ImageSource source = ImageSource.of(line);
    boolean chain = Options.has(line, "--backing-chain");
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
