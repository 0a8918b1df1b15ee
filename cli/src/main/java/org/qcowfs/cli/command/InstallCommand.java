package org.qcowfs.cli.command;

import org.qcowfs.cli.option.Options;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.Console;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/**
 * {@code install} and {@code uninstall}: described here, done by the launcher, because what they
 * copy is its own files.
 */
public final class InstallCommand implements Command {
  private final String name;

  /**
   * @param name which of the two
   */
  public InstallCommand(String name) {
    this.name = name;
  }

  @Override
  public CommandSpec spec() {
    boolean install = name.equals("install");
    CommandSpec spec =
        install
            ? Options.command(
                name,
                "Puts the program, its completion, its manual page and mount's helper in place.",
                "qcowfs install --prefix /opt/qcowfs",
                "As root it also makes 'mount -t fuse.qcowfs IMAGE DIR' and lines of /etc/fstab work.",
                "'qcowfs uninstall' with the same prefix removes all of it.")
            : Options.command(
                name,
                "Removes what 'qcowfs install' put in place, and nothing else.",
                "qcowfs uninstall --prefix /opt/qcowfs");
    return spec.addOption(
        Options.file("DIR", "Where the program goes (default: /usr/local).", "--prefix"));
  }

  @Override
  public int run(ParseResult line, Console console) throws CommandException {
    throw new CommandException("the launcher does this: run ./qcowfs " + name);
  }
}
