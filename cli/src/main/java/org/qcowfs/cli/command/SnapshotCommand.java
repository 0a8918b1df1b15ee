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
import org.qcowfs.cli.render.SnapshotText;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.json.InfoJson;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.model.SnapshotInfo;

/** {@code snapshot -l}: the internal snapshots. */
public final class SnapshotCommand implements Command {
  private static final Option LIST = Option.flag('l', "", "List the snapshots (the default).");
  private static final Option QUIET =
      Option.flag('q', "quiet", "Accepted as qemu-img does; the list is printed all the same.");

  @Override
  public Synopsis synopsis() {
    List<Option> options = new ArrayList<>(List.of(LIST));
    options.addAll(ImageSource.OPTIONS);
    options.add(QUIET);
    options.add(OutputFormat.OPTION);
    return new Synopsis(
        "snapshot",
        "FILE",
        "Lists an image's internal snapshots.",
        options,
        List.of("Snapshots cannot be created, applied or deleted yet."),
        "qcowfs snapshot -l --output=json vm.qcow2");
  }

  @Override
  public int run(Arguments arguments, Console console)
      throws IOException, UsageException, CommandException {
    OutputFormat output = OutputFormat.of(arguments);
    ImageSource source = ImageSource.of(arguments);
    OpenOptions options = OpenOptions.readOnly().forDescription().withWarnings(console::warn);
    try (Image image = source.open(options)) {
      List<SnapshotInfo> snapshots = image.snapshots();
      if (output == OutputFormat.JSON) {
        InfoJson.writeSnapshots(snapshots, console.out());
      } else if (!snapshots.isEmpty()) {
        SnapshotText.write(snapshots, console.out());
      }
    }
    return 0;
  }
}
