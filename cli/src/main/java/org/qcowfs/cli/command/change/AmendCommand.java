package org.qcowfs.cli.command.change;

import java.io.IOException;
import java.util.List;
import org.qcowfs.cli.command.Command;
import org.qcowfs.cli.option.ImageSource;
import org.qcowfs.cli.option.ImageTarget;
import org.qcowfs.cli.option.Options;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.Console;
import org.qcowfs.cli.program.UsageException;
import org.qcowfs.cli.render.ProgressLine;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.change.Amend;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.model.ImageInfo;
import org.qcowfs.engine.model.OpenOptions;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** {@code amend}: changes features of an existing image. */
public final class AmendCommand implements Command {
  @Override
  public CommandSpec spec() {
    CommandSpec spec =
        Options.command(
            "amend",
            "Changes features of an existing qcow2 image.",
            "qcowfs amend -o compat=1.1,lazy_refcounts=on vm.qcow2",
            "qcowfs amend -f qcow2 -o help lists the features.");
    ImageTarget.addTo(spec);
    ImageTarget.addCacheTo(spec);
    return spec.addOption(
            Options.values("OPTIONS", "The features as key=value,...; or help.", "-o"))
        .addOption(Options.flag("Show how far it has come.", "-p"))
        .addOption(Options.flag("Say nothing but errors.", "-q", "--quiet"))
        .addOption(Options.flag("Accepted as qemu-img does.", "--force"))
        .addPositional(Options.operands("FILE"));
  }

  @Override
  public int run(ParseResult line, Console console)
      throws IOException, UsageException, CommandException {
    List<String> texts = Options.texts(line, "-o");
    if (texts.isEmpty()) {
      throw new UsageException("Must specify options (-o)");
    }
    for (String text : texts) {
      if (text.isEmpty() || text.startsWith(",")) {
        throw new CommandException("Invalid option list: " + Escape.text(text));
      }
    }
    AmendOptions options = AmendOptions.split(String.join(",", texts));
    List<String> operands = Options.operands(line);
    String format = Options.text(line, "--format");
    if (format != null && options.help()) {
      return help(format, console);
    }
    if (operands.size() != 1) {
      throw new CommandException("Expecting one image file name");
    }
    ImageTarget target = ImageTarget.of(line, operands.get(0));
    ImageTarget.checkCache(line, "--cache", "cache");
    String found = target.probe(true, console);
    if (options.help() || !found.equals("qcow2")) {
      return help(found, console);
    }
    Amend.Request request = options.request(info(target));
    boolean shown = Options.has(line, "-p") && !Options.has(line, "--quiet");
    try (ProgressLine progress = new ProgressLine(console.out(), shown).onSignal(console.err())) {
      Amend.run(target.path(), target.options(console), request, progress, target.files());
    } catch (ImageException e) {
      throw target.failure(e);
    }
    return 0;
  }

  private static ImageInfo info(ImageTarget target) throws CommandException {
    OpenOptions options = OpenOptions.readOnly().withFormat(target.format()).forDescription();
    try (Image image = Images.open(target.path(), options.withForceShare(true))) {
      return image.info();
    } catch (ImageException e) {
      throw ImageSource.couldNotOpen(target.path(), e);
    }
  }

  private static int help(String format, Console console) throws IOException, CommandException {
    if (!format.equals("qcow2")) {
      throw new CommandException(
          format.equals("raw")
              ? "Format driver 'raw' does not support option amendment"
              : "Unknown driver '" + Escape.text(format) + "'");
    }
    console.out().write(AmendOptions.HELP);
    return 0;
  }
}
