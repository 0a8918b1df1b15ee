package org.qcowfs.cli.command.mount;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.qcowfs.cli.CommandException;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.fuse.MountException;
import org.qcowfs.fuse.system.MountRecord;
import org.qcowfs.fuse.system.MountRecords;
import org.qcowfs.fuse.system.MountTable;
import org.qcowfs.fuse.system.Unmount;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code umount}: takes a mount down and waits until its image is closed. */
@Command(
    name = "umount",
    mixinStandardHelpOptions = true,
    footer = {"", "Example:", "  qcowfs umount /mnt/vm"},
    description = {
      "Unmounts, and returns when all that was written is in the image and the image is closed; 1 if"
          + " that failed.",
      "A busy mount stays, and the message says who uses it. A mount whose process was killed is"
          + " cleaned up."
    })
public final class UmountCommand implements Callable<Integer> {
  private static final int POLL_MILLIS = 5;

  @Parameters(paramLabel = "DIR", description = "Where the image is mounted.")
  private String directory = "";

  @Option(
      names = {"-l", "--lazy"},
      description = "Take a busy mount away now, and return without waiting for its users.")
  private boolean lazy;

  @Override
  public Integer call() throws CommandException, InterruptedException {
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
