package org.qcowfs.cli.option;

import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.program.CommandException;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParseResult;

/** {@code --output}. */
public enum OutputFormat {
  HUMAN,
  JSON;

  /** The option itself. */
  public static OptionSpec option() {
    return Options.value("human|json", "The form of the output (default: human).", "--output");
  }

  /** What the command line asks for. */
  public static OutputFormat of(ParseResult line) throws CommandException {
    @Nullable String value = Options.text(line, "--output");
    if (value == null || value.equals("human")) {
      return HUMAN;
    }
    if (value.equals("json")) {
      return JSON;
    }
    throw new CommandException("--output must be used with human or json as argument.");
  }
}
