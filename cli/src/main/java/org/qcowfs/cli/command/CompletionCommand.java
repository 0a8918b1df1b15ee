package org.qcowfs.cli.command;

import java.io.IOException;
import java.util.List;
import java.util.function.Function;
import org.qcowfs.cli.help.Help;
import org.qcowfs.cli.option.Options;
import org.qcowfs.cli.program.Console;
import org.qcowfs.cli.program.UsageException;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** {@code completion}: a script that completes commands and options in a shell. */
public final class CompletionCommand implements Command {
  private final Function<String, CommandLine> program;

  /** With what describes all commands of a program of a given name. */
  public CompletionCommand(Function<String, CommandLine> program) {
    this.program = program;
  }

  @Override
  public CommandSpec spec() {
    CommandSpec spec =
        Options.command(
            "completion",
            "Prints a script that completes commands and options in a shell.",
            "source <(qcowfs completion bash)",
            "One script serves both shells.");
    return spec.addPositional(Options.choice("bash|zsh"));
  }

  @Override
  public int run(ParseResult line, Console console) throws IOException, UsageException {
    List<String> shells = Options.operands(line);
    if (!shells.equals(List.of("bash")) && !shells.equals(List.of("zsh"))) {
      throw new UsageException("Expecting the name of a shell: bash or zsh");
    }
    Help.completion(program.apply("qcowfs"), console.out());
    return 0;
  }
}
