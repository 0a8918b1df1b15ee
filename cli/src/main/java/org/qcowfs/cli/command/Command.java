package org.qcowfs.cli.command;

import java.io.IOException;
import java.util.List;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.Console;
import org.qcowfs.cli.program.UsageException;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** One command. It is made only when it is called, or when all are described. */
public interface Command {
  /**
   * What it takes, for the parser, the help, the completion and the manual page.
   *
   * @return a new description each time: picocli keeps the parsed values in it
   */
  CommandSpec spec();

  /**
   * What the parser gets of the words after the command's name; a command with habits that no
   * parser has puts them right here.
   */
  default List<String> words(List<String> words) throws UsageException {
    return words;
  }

  /**
   * Does it.
   *
   * @return the exit code
   * @throws IOException an {@code ImageException}, or the output cannot be written
   * @throws UsageException if the arguments make no sense
   * @throws CommandException if it cannot be done
   * @throws InterruptedException if the thread was interrupted while it waited
   */
  int run(ParseResult line, Console console)
      throws IOException, UsageException, CommandException, InterruptedException;
}
