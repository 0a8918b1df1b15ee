package org.qcowfs.cli.command.mount;

import java.util.ArrayList;
import java.util.List;
import org.qcowfs.cli.program.CommandException;

/** The {@code -o} options of mount(8): words between commas, a comma inside one as {@code \,}. */
final class MountOptionList {
  private MountOptionList() {}

  /**
   * The options for libfuse, in order; those that change nothing left out.
   *
   * @param writable whether {@code rw} goes without saying, or else {@code ro}
   * @throws CommandException for the other of the two
   */
  static List<String> parse(List<String> arguments, boolean writable) throws CommandException {
    List<String> options = new ArrayList<>();
    for (String argument : arguments) {
      for (String option : argument.split("(?<!\\\\),")) {
        switch (option) {
          case "", "defaults" -> {}
          case "ro" -> {
            if (writable) {
              throw new CommandException("-o ro goes with neither --rw nor --overlay");
            }
          }
          case "rw" -> {
            if (!writable) {
              throw new CommandException("-o rw needs --rw or --overlay");
            }
          }
          default -> options.add(option);
        }
      }
    }
    return options;
  }
}
