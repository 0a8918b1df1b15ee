package org.qcowfs.cli.command.mount;

import java.nio.file.Path;
import org.qcowfs.cli.command.Command;
import org.qcowfs.cli.option.Options;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.Console;
import org.qcowfs.cli.program.UsageException;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.fuse.MountException;
import org.qcowfs.fuse.system.MountRecord;
import org.qcowfs.fuse.system.MountRecords;
import org.qcowfs.fuse.system.MountTable;
import org.qcowfs.fuse.system.Unmount;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** {@code umount}: takes a mount down and waits until its image is closed. */
public final class UmountCommand implements Command {
  private static final int POLL_MILLIS = 5;

  @Override
  public CommandSpec spec() {
    return Options.command(
            "umount",
            "Unmounts, and returns when all that was written is in the image and the image is"
                + " closed; 1 if that failed.",
            "qcowfs umount /mnt/vm",
            "A busy mount stays, and the message says who uses it. A mount whose process was killed"
                + " is cleaned up.")
        .addOption(
            Options.flag(
                "Take a busy mount away now, and return without waiting for its users.",
                "-l",
                "--lazy"))
        .addPositional(Options.operands("DIR"));
  }

  @Override
  public int run(ParseResult line, Console console)
      throws UsageException, CommandException, InterruptedException {
    if (Options.operands(line).size() != 1) {
      throw new UsageException("Expecting one mount point");
    }
    String directory = Options.operands(line).get(0);
    boolean lazy = Options.has(line, "--lazy");
    Path mountPoint = MountPoints.real(Path.of(directory).toAbsolutePath());
    MountTable.Entry entry = MountTable.at(mountPoint);
    String shown = "'" + Escape.text(directory) + "'";
    if (entry == null) {
      throw new CommandException(shown + " is not mounted");
    }
    if (!entry.type().equals(MountTable.TYPE)) {
      throw new CommandException(
          shown + " is mounted, but by " + Escape.text(entry.type()) + ", not by us");
    }
    MountRecord record = MountRecords.of(entry);
    try {
      // Nobody can use a dead mount, but somebody may still have it open.
      Unmount.unmount(mountPoint, lazy || Unmount.isDead(mountPoint));
    } catch (MountException e) {
      throw new CommandException(String.valueOf(e.getMessage()));
    }
    if (!lazy && record != null) {
      waitFor(record);
      String failure = MountRecords.takeFailure(record);
      if (failure != null) {
        throw new CommandException(failure);
      }
    }
    return 0;
  }

  private static void waitFor(MountRecord record) throws InterruptedException {
    while (record.isServed()) {
      // Nothing announces the end of a process that is not a child.
      Thread.sleep(POLL_MILLIS);
    }
  }
}
