package org.qcowfs.cli.command;

import java.io.IOException;
import org.qcowfs.cli.CommandException;
import org.qcowfs.cli.Console;
import org.qcowfs.cli.option.Arguments;
import org.qcowfs.cli.option.Synopsis;
import org.qcowfs.cli.option.UsageException;

/** A command that is over quickly and must start quickly. */
public interface Command {
  /** What it takes. */
  Synopsis synopsis();

  /**
   * Does it.
   *
   * @return the exit code
   * @throws IOException an {@code ImageException}, or the output cannot be written
   * @throws UsageException if the arguments make no sense
   * @throws CommandException if it cannot be done
   */
  int run(Arguments arguments, Console console)
      throws IOException, UsageException, CommandException;
}
