package org.qcowfs.cli.command.mount;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.command.Command;
import org.qcowfs.cli.option.Options;
import org.qcowfs.cli.option.OutputFormat;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.Console;
import org.qcowfs.cli.program.UsageException;
import org.qcowfs.cli.render.StatsText;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.fuse.system.MountTable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** {@code stats}: what a mount has done so far. */
public final class StatsCommand implements Command {
  @Override
  public CommandSpec spec() {
    return Options.command(
            "stats",
            "Shows what a mount has done since it began: requests with their latencies, the cache"
                + " of tables, writing, and what was read from each layer.",
            "qcowfs stats -i 5 /mnt/vm",
            "It reads DIR/stats.json; a mount on a regular file has none.")
        .addOption(OutputFormat.option())
        .addOption(
            Options.value("SECONDS", "Show it again every so many seconds.", "-i", "--interval"))
        .addPositional(Options.operands("DIR"));
  }

  @Override
  public int run(ParseResult line, Console console)
      throws IOException, UsageException, CommandException, InterruptedException {
    if (Options.operands(line).size() != 1) {
      throw new UsageException("Expecting one mount point");
    }
    String directory = Options.operands(line).get(0);
    OutputFormat output = OutputFormat.of(line);
    int interval = interval(Options.text(line, "--interval"));
    Path mountPoint = MountPoints.real(Path.of(directory).toAbsolutePath());
    String shown = "'" + Escape.text(directory) + "'";
    MountTable.Entry entry = MountTable.at(mountPoint);
    if (entry == null || !entry.type().equals(MountTable.TYPE)) {
      throw new CommandException(shown + " is no mount of ours");
    }
    while (true) {
      String json = read(mountPoint, shown);
      if (output == OutputFormat.JSON) {
        console.out().append(json);
      } else {
        StatsText.write(json, console.out());
      }
      if (interval == 0) {
        return 0;
      }
      console.flush();
      // The interval that was asked for.
      Thread.sleep(interval * 1000L);
    }
  }

  private static String read(Path mountPoint, String shown) throws CommandException {
    if (Files.isRegularFile(mountPoint)) {
      throw new CommandException(
          shown
              + " is the flat disk alone, without stats.json; mount on a folder, or use --metrics");
    }
    try {
      return Files.readString(mountPoint.resolve("stats.json"));
    } catch (NoSuchFileException e) {
      throw new CommandException(shown + " has no stats.json: an older version serves it");
    } catch (IOException e) {
      throw new CommandException(
          "Could not read the statistics of " + shown + ": " + Escape.text("" + e.getMessage()));
    }
  }

  private static int interval(@Nullable String text) throws CommandException {
    if (text == null) {
      return 0;
    }
    if (!text.matches("[1-9][0-9]{0,5}")) {
      throw new CommandException(
          "--interval takes 1 to 999999 seconds, not '" + Escape.text(text) + "'");
    }
    return Integer.parseInt(text);
  }
}
