package org.qcowfs.cli.command;

import java.io.IOException;
import org.qcowfs.cli.option.ImageSource;
import org.qcowfs.cli.option.Options;
import org.qcowfs.cli.option.OutputFormat;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.Console;
import org.qcowfs.cli.program.UsageException;
import org.qcowfs.cli.render.CheckText;
import org.qcowfs.engine.ImageCheck;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.json.CheckJson;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.qcow2.check.CheckResult;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** {@code check}: whether an image's metadata can be trusted. */
public final class CheckCommand implements Command {
  private static final int UNSUPPORTED = 63;

  @Override
  public CommandSpec spec() {
    CommandSpec spec =
        Options.command(
            "check",
            "Checks whether an image's metadata can be trusted; changes nothing.",
            "qcowfs check --output=json vm.qcow2",
            "Neither backing file nor data file is opened. Each finding is one line on standard"
                + " error.",
            "Exit codes: 0 clean, 1 could not be checked, 2 corruption, 3 leaked clusters only, 63"
                + " a format without checks.");
    ImageSource.addTo(spec);
    return spec.addOption(OutputFormat.option())
        .addOption(
            Options.flag("Print findings and errors only, and no summary.", "-q", "--quiet"));
  }

  @Override
  public int run(ParseResult line, Console console)
      throws IOException, UsageException, CommandException {
    OutputFormat output = OutputFormat.of(line);
    ImageSource source = ImageSource.of(line);
    ImageCheck check;
    try {
      OpenOptions options =
          OpenOptions.readOnly()
              .withFormat(source.format())
              .withForceShare(source.forceShare())
              .withWarnings(console::warn);
      check =
          ImageCheck.run(source.path(), options, finding -> console.err().println(finding.text()));
    } catch (ImageException e) {
      throw ImageSource.couldNotOpen(source.path(), e);
    }
    CheckResult result = check.result();
    if (result == null) {
      console.error("This image format does not support checks");
      return UNSUPPORTED;
    }
    String failure = result.failure();
    if (failure != null) {
      console.error("Check failed: " + failure);
      return result.exitCode();
    }
    if (output == OutputFormat.JSON) {
      CheckJson.write(source.path(), check.format(), result, console.out());
    } else if (!Options.has(line, "--quiet")) {
      CheckText.write(result, console.out());
    }
    if (result.checkErrors() > 0) {
      console.out().flush();
      console.error("Check failed");
    }
    return result.exitCode();
  }
}
