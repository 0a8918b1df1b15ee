package org.qcowfs.cli.command.mount;

import java.util.ArrayList;
import java.util.List;
import org.qcowfs.cli.CommandException;

/** The {@code -o} options of mount(8): words between commas, a comma inside one as {@code \,}. */
final class MountOptionList {
  private MountOptionList() {}

  /**
   * The options for libfuse, in order; {@code ro} and {@code defaults} are what we do anyway.
   *
   * @throws CommandException for {@code rw}
   */
  static List<String> parse(List<String> arguments) throws CommandException {
    List<String> options = new ArrayList<>();
    for (String argument : arguments) {
      for (String option : argument.split("(?<!\\\\),")) {
        switch (option) {
          case "", "ro", "defaults" -> {}
          case "rw" -> throw new CommandException("option 'rw': mounts are read-only");
          default -> options.add(option);
        }
      }
    }
    return options;
  }
}
