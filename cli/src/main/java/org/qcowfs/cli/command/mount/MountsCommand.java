package org.qcowfs.cli.command.mount;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.command.Command;
import org.qcowfs.cli.option.Options;
import org.qcowfs.cli.option.OutputFormat;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.Console;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.json.JsonWriter;
import org.qcowfs.fuse.system.MountRecord;
import org.qcowfs.fuse.system.MountRecords;
import org.qcowfs.fuse.system.MountTable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** {@code mounts}: what is mounted. */
public final class MountsCommand implements Command {
  private record Mount(MountTable.Entry entry, @Nullable MountRecord record) {}

  @Override
  public CommandSpec spec() {
    return Options.command(
            "mounts",
            "Lists the mounted images with mount point, process and options.",
            "qcowfs mounts --output=json")
        .aliases("ls")
        .addOption(OutputFormat.option());
  }

  @Override
  public int run(ParseResult line, Console console) throws IOException, CommandException {
    OutputFormat output = OutputFormat.of(line);
    List<Mount> mounts = new ArrayList<>();
    for (MountTable.Entry entry : MountTable.entries()) {
      if (entry.type().equals(MountTable.TYPE)) {
        mounts.add(new Mount(entry, MountRecords.of(entry)));
      }
    }
    if (output == OutputFormat.JSON) {
      json(mounts, console.out());
    } else {
      human(mounts, console.out());
    }
    return 0;
  }

  private static void json(List<Mount> mounts, Appendable out) throws IOException {
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

  private static void human(List<Mount> mounts, Appendable out) throws IOException {
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
