package org.qcowfs.cli.command;

import java.io.IOException;
import java.io.PrintWriter;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.option.ImageSource;
import org.qcowfs.cli.option.ImageTarget;
import org.qcowfs.cli.option.Options;
import org.qcowfs.cli.option.OutputFormat;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.Console;
import org.qcowfs.cli.program.Sandbox;
import org.qcowfs.cli.program.UsageException;
import org.qcowfs.cli.render.CheckText;
import org.qcowfs.cli.render.ProgressLine;
import org.qcowfs.engine.ChainCheck;
import org.qcowfs.engine.ImageCheck;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.json.CheckJson;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.qcow2.check.CheckExtras;
import org.qcowfs.engine.qcow2.check.CheckResult;
import org.qcowfs.engine.qcow2.check.Finding;
import org.qcowfs.engine.qcow2.check.Repair;
import org.qcowfs.engine.qcow2.check.RepairPlan;
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
            "Checks whether an image's metadata can be trusted, and repairs it if asked to.",
            "qcowfs check --output=json vm.qcow2",
            "Neither backing file nor data file is opened. Each finding is one line on standard"
                + " error.",
            "After a repair everything that could be read reads the same; a crash leaves the image"
                + " as it was or repaired.",
            "Exit codes, after a repair: 0 clean, 1 could not be checked, 2 corruption, 3 leaked"
                + " clusters only, 63 a format without checks.");
    ImageSource.addTo(spec);
    return spec.addOption(OutputFormat.option())
        .addOption(
            Options.flag(
                "Say what the findings mean, and which guest ranges and snapshots they affect.",
                "--explain"))
        .addOption(Options.flag("Also decompress every compressed cluster.", "--data"))
        .addOption(Options.flag("Also check the backing files, the top image first.", "--chain"))
        .addOption(
            Options.flag("Show how far the check is; SIGUSR1 shows it once.", "-p", "--progress"))
        .addOption(
            Options.value(
                "leaks|all",
                "Repair: set leaked clusters free, or mend all that can be.",
                "-r",
                "--repair"))
        .addOption(Options.flag("With -r: only say what would be done.", "--dry-run"))
        .addOption(
            Options.file(
                "FILE",
                "With -r: first save what is overwritten to a new file; --undo puts it back.",
                "--backup"))
        .addOption(
            Options.file(
                "FILE",
                "Put back what a repair with --backup overwrote, if nothing was written since.",
                "--undo"))
        .addOption(
            Options.value(
                "none|writeback|writethrough|directsync|unsafe",
                "Accepted as qemu-img does; nothing is cached.",
                "-T"))
        .addOption(
            Options.flag("Print findings and errors only, and no summary.", "-q", "--quiet"));
  }

  @Override
  public int run(ParseResult line, Console console)
      throws IOException, UsageException, CommandException {
    OutputFormat output = OutputFormat.of(line);
    ImageTarget.checkCache(line, "-T", "source cache");
    ImageSource source = ImageSource.of(line);
    RepairPlan plan = plan(line);
    boolean changes = plan != null && !plan.dryRun() || Options.has(line, "--undo");
    if (changes && source.forceShare()) {
      throw new CommandException(
          "Could not open '"
              + Escape.text(source.path())
              + "': force-share=on can only be used with read-only images");
    }
    String undo = Options.text(line, "--undo");
    if (undo != null) {
      return undo(source.path(), undo, console);
    }
    ImageCheck check;
    OpenOptions options =
        Sandbox.limit(OpenOptions.readOnly())
            .withFormat(source.format())
            .withForceShare(source.forceShare())
            .withWarnings(console::warn);
    // On standard error: standard output may be a JSON document.
    try (ProgressLine progress =
            new ProgressLine(new PrintWriter(console.err()), Options.has(line, "--progress"))
                .onSignal(console.err());
        Lines lines = new Lines(console)) {
      CheckExtras extras =
          new CheckExtras(
              Options.has(line, "--explain"), Options.has(line, "--data"), progress::at);
      if (Options.has(line, "--chain")) {
        return chain(source.path(), extras, options, output, console);
      }
      check = ImageCheck.run(source.path(), plan, extras, options, lines::add);
    } catch (ImageException e) {
      if (changes && e.errno() != 0 && !e.detail().startsWith("Could not open")) {
        throw new CommandException("Repair failed: " + e.detail(), e);
      }
      throw ImageSource.couldNotOpen(source.path(), e);
    }
    boolean dryRun = plan != null && plan.dryRun();
    return report(check, source.path(), output, Options.has(line, "--quiet"), dryRun, console);
  }

  private static @Nullable RepairPlan plan(ParseResult line) throws UsageException {
    String scope = Options.text(line, "--repair");
    String backup = Options.text(line, "--backup");
    if (scope == null) {
      if (backup != null || Options.has(line, "--dry-run")) {
        throw new UsageException("--dry-run and --backup go with -r");
      }
      return null;
    }
    if (Options.has(line, "--explain") || Options.has(line, "--chain")) {
      throw new UsageException("--explain and --chain go without -r");
    }
    if (Options.has(line, "--undo")) {
      throw new UsageException("-r and --undo exclude each other");
    }
    Repair.Scope wanted =
        switch (scope) {
          case "leaks" -> Repair.Scope.LEAKS;
          case "all" -> Repair.Scope.ALL;
          default ->
              throw new UsageException(
                  "Unknown option value for -r (expecting 'leaks' or 'all'): "
                      + Escape.text(scope));
        };
    return new RepairPlan(
        wanted, Options.has(line, "--dry-run"), backup == null ? null : ImageCheck.backup(backup));
  }

  private static int chain(
      String path, CheckExtras extras, OpenOptions options, OutputFormat output, Console console)
      throws IOException {
    List<ChainCheck> layers =
        ChainCheck.run(
            path,
            extras,
            options,
            (file, finding) -> console.err().println(Escape.text(file) + ": " + finding.text()));
    if (output == OutputFormat.JSON) {
      CheckJson.writeChain(layers, console.out());
      return ChainCheck.exitCode(layers);
    }
    for (ChainCheck layer : layers) {
      CheckResult result = layer.check().result();
      console.out().append(Escape.text(layer.path())).append(":\n");
      if (result == null) {
        console.out().append("This image format does not support checks\n");
      } else if (result.failure() != null) {
        console.error("Check failed: " + result.failure());
      } else {
        CheckText.write(result, console.out());
        CheckText.writeExplanations(layer.check().explanations(), console.out());
      }
    }
    return ChainCheck.exitCode(layers);
  }

  private static int undo(String path, String backup, Console console)
      throws IOException, CommandException {
    try {
      String done =
          ImageCheck.undo(path, backup, OpenOptions.readOnly().withWarnings(console::warn));
      console.out().append(done).append('\n');
      return 0;
    } catch (ImageException e) {
      throw new CommandException("Could not undo: " + e.detail(), e);
    }
  }

  private static int report(
      ImageCheck check,
      String path,
      OutputFormat output,
      boolean quiet,
      boolean dryRun,
      Console console)
      throws IOException {
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
    String refusal = check.refusal();
    if (refusal != null) {
      console.warn("not repaired: " + refusal);
    }
    if (dryRun) {
      check.actions().forEach(action -> console.err().println("would " + action));
    }
    long corruptionsFixed = check.corruptionsFixed();
    long leaksFixed = check.leaksFixed();
    if (output == OutputFormat.JSON) {
      CheckJson.write(
          path,
          check.format(),
          result,
          corruptionsFixed,
          leaksFixed,
          check.explanations(),
          console.out());
    } else if (!quiet) {
      if (corruptionsFixed + leaksFixed > 0) {
        CheckText.writeFixed(corruptionsFixed, leaksFixed, console.out());
      }
      CheckText.write(result, console.out());
      CheckText.writeExplanations(check.explanations(), console.out());
    }
    if (result.checkErrors() > 0) {
      console.out().flush();
      console.error("Check failed");
    }
    return result.exitCode();
  }

  /** Findings on their way to standard error: a damaged image can have millions. */
  private static final class Lines implements AutoCloseable {
    private static final int FULL = 1 << 16;

    private final Console console;
    private final StringBuilder lines = new StringBuilder();

    Lines(Console console) {
      this.console = console;
    }

    void add(Finding finding) {
      lines.append(finding.text()).append('\n');
      if (lines.length() >= FULL) {
        close();
      }
    }

    @Override
    public void close() {
      console.err().print(lines);
      console.err().flush();
      lines.setLength(0);
    }
  }
}
