package org.qcowfs.cli;

import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.command.InfoCommand;
import org.qcowfs.cli.command.mount.MountCommand;
import org.qcowfs.cli.command.mount.MountsCommand;
import org.qcowfs.cli.command.mount.UmountCommand;

/** Which class runs which command; only the one that was asked for is loaded. */
final class Commands {
  private Commands() {}

  /** The command called {@code name}, the root for {@code --help} and the like, or null. */
  static @Nullable Callable<Integer> create(String name) {
    return switch (name) {
      case "info" -> new InfoCommand();
      case "mount" -> new MountCommand();
      case "umount" -> new UmountCommand();
      case "mounts", "ls" -> new MountsCommand();
      case "-h", "--help", "help", "-V", "--version" -> new RootCommand();
      default -> null;
    };
  }
}
