package org.qcowfs.cli;

import java.util.concurrent.Callable;
import org.qcowfs.cli.command.InfoCommand;
import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** All commands together, for help, completion and the manual page only. */
@Command(
    name = "qcowfs",
    mixinStandardHelpOptions = true,
    version = "qcowfs 0.1.0",
    description = "Looks inside virtual-machine disk images.",
    subcommands = {InfoCommand.class, HelpCommand.class})
final class RootCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Override
  @SuppressWarnings("NullAway")
  public Integer call() {
    spec.commandLine().usage(System.out);
    return 0;
  }
}
