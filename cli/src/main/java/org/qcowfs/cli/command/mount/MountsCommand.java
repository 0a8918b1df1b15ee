package org.qcowfs.cli.command.mount;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.json.JsonWriter;
import org.qcowfs.fuse.system.MountRecord;
import org.qcowfs.fuse.system.MountRecords;
import org.qcowfs.fuse.system.MountTable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code mounts}: what is mounted. */
@Command(
    name = "mounts",
    aliases = "ls",
    mixinStandardHelpOptions = true,
    footer = {"", "Example:", "  qcowfs mounts --output=json"},
    description = "Lists the mounted images with mount point, process and options.")
public final class MountsCommand implements Callable<Integer> {
  /** How to print. */
  enum Output {
    human,
    json
  }

  @Option(names = "--output", paramLabel = "FMT", description = "human (default) or json.")
  private Output output = Output.human;

  private record Mount(MountTable.Entry entry, @Nullable MountRecord record) {}

  @Override
  public Integer call() throws IOException {
    List<Mount> mounts = new ArrayList<>();
    for (MountTable.Entry entry : MountTable.entries()) {
      if (entry.type().equals(MountTable.TYPE)) {
        mounts.add(new Mount(entry, MountRecords.of(entry)));
      }
    }
    StringBuilder out = new StringBuilder();
    if (output == Output.json) {
      json(mounts, out);
    } else {
      human(mounts, out);
    }
    System.out.print(out);
    return 0;
  }

  private static void json(List<Mount> mounts, StringBuilder out) throws IOException {
    JsonWriter json = new JsonWriter(out);
    json.beginArray(null);
    for (Mount mount : mounts) {
      json.beginObject(null)
          .string("image", mount.entry().source())
          .string("mount-point", mount.entry().mountPoint());
      MountRecord record = mount.record();
      if (record != null) {
        json.number("pid", record.pid()).string("log", record.log());
      }
      json.string("options", mount.entry().options()).endObject();
    }
    json.endArray();
  }

  private static void human(List<Mount> mounts, StringBuilder out) {
    for (Mount mount : mounts) {
      MountRecord record = mount.record();
      out.append(Escape.text(mount.entry().source()))
          .append(" on ")
          .append(Escape.text(mount.entry().mountPoint()))
          .append(record == null ? " (no process known" : " (process " + record.pid())
          .append(", ")
          .append(Escape.text(mount.entry().options()))
          .append(")\n");
    }
  }
}
