package org.qcowfs.cli;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.command.CheckCommand;
import org.qcowfs.cli.command.Command;
import org.qcowfs.cli.command.CompareCommand;
import org.qcowfs.cli.command.CompletionCommand;
import org.qcowfs.cli.command.ConvertCommand;
import org.qcowfs.cli.command.CreateCommand;
import org.qcowfs.cli.command.DdCommand;
import org.qcowfs.cli.command.DemoCommand;
import org.qcowfs.cli.command.InfoCommand;
import org.qcowfs.cli.command.InstallCommand;
import org.qcowfs.cli.command.ManCommand;
import org.qcowfs.cli.command.MapCommand;
import org.qcowfs.cli.command.MeasureCommand;
import org.qcowfs.cli.command.SnapshotCommand;
import org.qcowfs.cli.command.change.AmendCommand;
import org.qcowfs.cli.command.change.BitmapCommand;
import org.qcowfs.cli.command.change.CommitCommand;
import org.qcowfs.cli.command.change.RebaseCommand;
import org.qcowfs.cli.command.change.ResizeCommand;
import org.qcowfs.cli.command.mount.MountCommand;
import org.qcowfs.cli.command.mount.MountsCommand;
import org.qcowfs.cli.command.mount.StatsCommand;
import org.qcowfs.cli.command.mount.UmountCommand;
import org.qcowfs.cli.help.Help;
import picocli.CommandLine;

/** Which class runs which command; only the one that was asked for is loaded. */
public final class Commands {
  private Commands() {}

  /** All commands in the order of the help. */
  public static List<String> names() {
    return List.of(
        "mount",
        "umount",
        "mounts",
        "stats",
        "create",
        "convert",
        "compare",
        "measure",
        "dd",
        "info",
        "map",
        "check",
        "snapshot",
        "resize",
        "commit",
        "rebase",
        "amend",
        "bitmap",
        "install",
        "uninstall",
        "demo",
        "completion",
        "man");
  }

  /** The command of that name, or null. */
  public static @Nullable Command create(String name) {
    return switch (name) {
      case "mount" -> new MountCommand();
      case "umount" -> new UmountCommand();
      case "mounts", "ls" -> new MountsCommand();
      case "stats" -> new StatsCommand();
      case "create" -> new CreateCommand();
      case "convert" -> new ConvertCommand();
      case "compare" -> new CompareCommand();
      case "measure" -> new MeasureCommand();
      case "dd" -> new DdCommand();
      case "info" -> new InfoCommand();
      case "map" -> new MapCommand();
      case "check" -> new CheckCommand();
      case "snapshot" -> new SnapshotCommand();
      case "resize" -> new ResizeCommand();
      case "commit" -> new CommitCommand();
      case "rebase" -> new RebaseCommand();
      case "amend" -> new AmendCommand();
      case "bitmap" -> new BitmapCommand();
      case "install" -> new InstallCommand("install");
      case "uninstall" -> new InstallCommand("uninstall");
      case "demo" -> new DemoCommand();
      case "completion" -> new CompletionCommand(Commands::describeAll);
      case "man" -> new ManCommand(Commands::describeAll);
      default -> null;
    };
  }

  /**
   * All commands together; costs too much for anything but help.
   *
   * @param programName what the program is called in it
   */
  static CommandLine describeAll(String programName) {
    CommandLine root = Help.program(programName);
    for (String name : names()) {
      Command command = create(name);
      if (command == null) {
        throw new IllegalStateException("no command is called " + name);
      }
      root.addSubcommand(name, command.spec());
    }
    return root;
  }
}
