package org.qcowfs.cli.command;

import java.util.List;
import org.qcowfs.cli.CommandException;
import org.qcowfs.cli.Console;
import org.qcowfs.cli.option.Arguments;
import org.qcowfs.cli.option.Synopsis;

/** {@code demo}: described here, run by the launcher, because it is a shell script. */
public final class DemoCommand implements Command {
  @Override
  public Synopsis synopsis() {
    return new Synopsis(
        "demo",
        "",
        "Makes a small disk with overlays and snapshots, mounts it, shows it, cleans up.",
        List.of(),
        List.of("Installs qemu-utils, gdisk and e2fsprogs where they are missing."),
        "qcowfs demo");
  }

  @Override
  public int run(Arguments arguments, Console console) throws CommandException {
    throw new CommandException("the demo is a script of the launcher: run ./qcowfs demo");
  }
}
