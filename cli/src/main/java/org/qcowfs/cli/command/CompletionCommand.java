package org.qcowfs.cli.command;

import java.io.IOException;
import java.util.List;
import org.qcowfs.cli.Console;
import org.qcowfs.cli.help.Help;
import org.qcowfs.cli.option.Arguments;
import org.qcowfs.cli.option.Synopsis;
import org.qcowfs.cli.option.UsageException;

/** {@code completion}: a script that completes commands and options in a shell. */
public final class CompletionCommand implements Command {
  @Override
  public Synopsis synopsis() {
    return new Synopsis(
        "completion",
        "bash|zsh",
        "Prints a script that completes commands and options in a shell.",
        List.of(),
        List.of("One script serves both shells."),
        "source <(qcowfs completion bash)");
  }

  @Override
  public int run(Arguments arguments, Console console) throws IOException, UsageException {
    if (!arguments.operands().equals(List.of("bash"))
        && !arguments.operands().equals(List.of("zsh"))) {
      throw new UsageException("Expecting the name of a shell: bash or zsh");
    }
    console.out().append(Help.completion());
    return 0;
  }
}
