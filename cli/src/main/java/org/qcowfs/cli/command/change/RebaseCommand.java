package org.qcowfs.cli.command.change;

import java.io.IOException;
import java.util.List;
import java.util.Set;
import org.qcowfs.cli.command.Command;
import org.qcowfs.cli.option.ImageTarget;
import org.qcowfs.cli.option.Options;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.Console;
import org.qcowfs.cli.program.UsageException;
import org.qcowfs.cli.render.ProgressLine;
import org.qcowfs.engine.change.Rebase;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** {@code rebase}: gives an overlay another backing file. */
public final class RebaseCommand implements Command {
  private static final Set<String> FORMATS = Set.of("qcow2", "raw", "file", "host_device");

  @Override
  public CommandSpec spec() {
    CommandSpec spec =
        Options.command(
            "rebase",
            "Gives an overlay another backing file, or none.",
            "qcowfs rebase -b base-v2.qcow2 -F qcow2 overlay.qcow2",
            "The disk stays as it is: what the new backing file does not have is copied first.",
            "With -u only the name changes, and the content with it unless both files are equal.");
    ImageTarget.addTo(spec);
    ImageTarget.addCacheTo(spec);
    return spec.addOption(Options.file("BACKING", "The new backing file; '' for none.", "-b"))
        .addOption(Options.value("FORMAT", "The backing file's format.", "-F"))
        .addOption(Options.flag("Change the name only.", "-u"))
        .addOption(Options.flag("Show how far it has come.", "-p"))
        .addOption(Options.flag("Accepted as qemu-img does.", "-q", "--quiet"))
        .addOption(
            Options.flag(
                "Read the images even while another process writes.", "-U", "--force-share"))
        .addOption(
            Options.value(
                "none|writeback|writethrough|directsync|unsafe",
                "Accepted as qemu-img does, for the backing files.",
                "-T"))
        .addPositional(Options.operands("FILE"));
  }

  @Override
  public int run(ParseResult line, Console console)
      throws IOException, UsageException, CommandException {
    List<String> operands = Options.operands(line);
    boolean unsafe = Options.has(line, "-u");
    String backing = Options.text(line, "-b");
    if (operands.size() != 1) {
      throw new UsageException("Expecting one image file name");
    }
    if (!unsafe && backing == null) {
      throw new UsageException("Must specify backing file (-b) or use unsafe mode (-u)");
    }
    ImageTarget target = ImageTarget.of(line, operands.get(0));
    ImageTarget.checkCache(line, "--cache", "cache");
    ImageTarget.checkCache(line, "-T", "source cache");
    target.probe(!unsafe, console);
    String format = Options.text(line, "-F");
    if (format != null && !FORMATS.contains(format)) {
      throw new CommandException("Invalid format name: '" + Escape.text(format) + "'");
    }
    boolean shown = Options.has(line, "-p") && !Options.has(line, "--quiet");
    try (ProgressLine progress = new ProgressLine(console.out(), shown).onSignal(console.err())) {
      progress.at(0, 1);
      Rebase.run(
          target.path(),
          target.options(console),
          new Rebase.Request(backing == null ? "" : backing, format, unsafe),
          progress,
          target.files());
      progress.at(1, 1);
    } catch (ImageException e) {
      throw target.failure(e);
    }
    return 0;
  }
}
