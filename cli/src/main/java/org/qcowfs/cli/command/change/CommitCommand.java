package org.qcowfs.cli.command.change;

import java.io.IOException;
import java.util.List;
import org.qcowfs.cli.command.Command;
import org.qcowfs.cli.option.ByteSize;
import org.qcowfs.cli.option.ImageTarget;
import org.qcowfs.cli.option.Options;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.Console;
import org.qcowfs.cli.program.UsageException;
import org.qcowfs.cli.render.ProgressLine;
import org.qcowfs.engine.change.Commit;
import org.qcowfs.engine.error.ImageException;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** {@code commit}: writes what an overlay has into an image below it. */
public final class CommitCommand implements Command {
  @Override
  public CommandSpec spec() {
    CommandSpec spec =
        Options.command(
            "commit",
            "Writes what an overlay has into its backing file, and empties the overlay.",
            "qcowfs commit overlay.qcow2",
            "A backing file that is shorter grows. Until everything is safe there the overlay"
                + " stays as it is.");
    ImageTarget.addTo(spec);
    ImageTarget.addCacheTo(spec);
    return spec.addOption(
            Options.file(
                "BASE",
                "Write into this image of the chain; those between become invalid (implies -d).",
                "-b"))
        .addOption(Options.flag("Leave the overlay as it is, not emptied.", "-d"))
        .addOption(Options.flag("Show how far it has come.", "-p"))
        .addOption(Options.flag("Say nothing but errors.", "-q", "--quiet"))
        .addOption(Options.value("RATE", "Copy at most so many bytes in a second.", "-r"))
        .addPositional(Options.operands("FILE"));
  }

  @Override
  public int run(ParseResult line, Console console)
      throws IOException, UsageException, CommandException {
    long rate = rate(line);
    List<String> operands = Options.operands(line);
    if (operands.size() != 1) {
      throw new UsageException("Expecting one image file name");
    }
    ImageTarget target = ImageTarget.of(line, operands.get(0));
    ImageTarget.checkCache(line, "--cache", "cache");
    target.probe(true, console);
    boolean quiet = Options.has(line, "--quiet");
    try (ProgressLine progress =
        new ProgressLine(console.out(), Options.has(line, "-p") && !quiet)
            .onSignal(console.err())) {
      Commit.run(
          target.path(),
          target.options(console),
          new Commit.Request(Options.text(line, "-b"), Options.has(line, "-d"), rate),
          progress,
          target.files());
    } catch (ImageException e) {
      throw target.failure(e);
    }
    if (!quiet) {
      console.out().write("Image committed.\n");
    }
    return 0;
  }

  private static long rate(ParseResult line) throws CommandException {
    String text = Options.text(line, "-r");
    if (text == null) {
      return 0;
    }
    long rate = ByteSize.parse(text);
    if (rate < 0) {
      throw ByteSize.invalid("rate limit");
    }
    return rate;
  }
}
