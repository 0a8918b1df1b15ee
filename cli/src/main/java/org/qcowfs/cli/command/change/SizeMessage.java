package org.qcowfs.cli.command.change;

import org.qcowfs.cli.program.CommandException;

/** qemu-img's words about a size that is none. */
final class SizeMessage {
  private SizeMessage() {}

  static CommandException notASize(String parameter) {
    return new CommandException(
        "Parameter '"
            + parameter
            + "' expects a non-negative number below 2^64\n"
            + "Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\n"
            + "and exabytes, respectively.");
  }
}
