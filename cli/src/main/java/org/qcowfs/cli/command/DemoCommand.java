package org.qcowfs.cli.command;

import org.qcowfs.cli.option.Options;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.Console;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** {@code demo}: described here, run by the launcher, because it is a shell script. */
public final class DemoCommand implements Command {
  @Override
  public CommandSpec spec() {
    return Options.command(
        "demo",
        "Makes a small disk with overlays and snapshots, mounts it, shows it, cleans up.",
        "qcowfs demo",
        "Installs qemu-utils, gdisk and e2fsprogs where they are missing.");
  }

  @Override
  public int run(ParseResult line, Console console) throws CommandException {
    throw new CommandException("the demo is a script of the launcher: run ./qcowfs demo");
  }
}
