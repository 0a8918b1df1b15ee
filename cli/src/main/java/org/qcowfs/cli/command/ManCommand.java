package org.qcowfs.cli.command;

import java.io.IOException;
import java.util.function.Function;
import org.qcowfs.cli.help.ManPage;
import org.qcowfs.cli.option.Options;
import org.qcowfs.cli.program.Console;
import org.qcowfs.cli.program.UsageException;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** {@code man}: the manual page, in the form {@code man} reads. */
public final class ManCommand implements Command {
  private final Function<String, CommandLine> program;

  /** With what describes all commands of a program of a given name. */
  public ManCommand(Function<String, CommandLine> program) {
    this.program = program;
  }

  @Override
  public CommandSpec spec() {
    return Options.command(
        "man", "Prints the manual page in the form man reads.", "qcowfs man | man -l -");
  }

  @Override
  public int run(ParseResult line, Console console) throws IOException, UsageException {
    ManPage.write(program.apply("qcowfs"), console.out());
    return 0;
  }
}
