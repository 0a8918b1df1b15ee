package org.qcowfs.cli.option;

import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.CommandException;

/** {@code --output}. */
public enum OutputFormat {
  HUMAN,
  JSON;

  public static final Option OPTION =
      Option.value((char) 0, "output", "human|json", "The form of the output (default: human).");

  /** What the command line asks for. */
  public static OutputFormat of(Arguments arguments) throws CommandException {
    @Nullable String value = arguments.value(OPTION);
    if (value == null || value.equals("human")) {
      return HUMAN;
    }
    if (value.equals("json")) {
      return JSON;
    }
    throw new CommandException("--output must be used with human or json as argument.");
  }
}
