package org.qcowfs.cli.command;

import java.io.IOException;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.function.Function;
import java.util.stream.Stream;
import org.qcowfs.cli.option.ImageSource;
import org.qcowfs.cli.option.Options;
import org.qcowfs.cli.option.OutputFormat;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.Console;
import org.qcowfs.cli.program.UsageException;
import org.qcowfs.cli.render.SnapshotText;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.json.InfoJson;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.model.SnapshotInfo;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** {@code snapshot}: lists, creates, applies and deletes internal snapshots. */
public final class SnapshotCommand implements Command {

  @Override
  public CommandSpec spec() {
    CommandSpec spec =
        Options.command(
            "snapshot",
            "Lists, creates, applies or deletes an image's internal snapshots.",
            "qcowfs snapshot -c before-upgrade vm.qcow2",
            "Each change takes effect as one write: after a crash it is done or it is not.",
            "An image that a mount has open for writing is refused.");
    ImageSource.addTo(spec);
    return spec.addOption(Options.flag("List the snapshots (the default).", "-l"))
        .addOption(Options.value("NAME", "Make a snapshot of the disk as it is now.", "-c"))
        .addOption(
            Options.value(
                "SNAPSHOT", "Make the disk what it was at a snapshot (id or name).", "-a"))
        .addOption(Options.value("SNAPSHOT", "Delete a snapshot (id or name).", "-d"))
        .addOption(
            Options.flag(
                "Accepted as qemu-img does; the list is printed all the same.", "-q", "--quiet"))
        .addOption(OutputFormat.option());
  }

  @Override
  public int run(ParseResult line, Console console)
      throws IOException, UsageException, CommandException {
    OutputFormat output = OutputFormat.of(line);
    ImageSource source = ImageSource.of(line);
    String create = Options.text(line, "-c");
    String apply = Options.text(line, "-a");
    String delete = Options.text(line, "-d");
    long actions =
        Stream.of(create, apply, delete).filter(Objects::nonNull).count()
            + (Options.has(line, "-l") ? 1 : 0);
    if (actions > 1) {
      throw new UsageException("Cannot mix '-l', '-a', '-c', '-d'");
    }
    if (create != null) {
      change(source, console, "create", create, image -> image.createSnapshot(create));
    } else if (apply != null) {
      change(source, console, "apply", apply, image -> image.applySnapshot(find(image, apply)));
    } else if (delete != null) {
      change(source, console, "delete", delete, image -> image.deleteSnapshot(find(image, delete)));
    } else {
      list(source, output, console);
    }
    return 0;
  }

  private static void list(ImageSource source, OutputFormat output, Console console)
      throws IOException, CommandException {
    OpenOptions options = OpenOptions.readOnly().forDescription().withWarnings(console::warn);
    try (Image image = source.open(options)) {
      List<SnapshotInfo> snapshots = image.snapshots();
      if (output == OutputFormat.JSON) {
        InfoJson.writeSnapshots(snapshots, console.out());
      } else if (!snapshots.isEmpty()) {
        SnapshotText.write(snapshots, console.out());
      }
    }
  }

  /** What is done to the open image. */
  @FunctionalInterface
  private interface Change {
    void apply(Image image) throws ImageException, CommandException;
  }

  private static void change(
      ImageSource source, Console console, String verb, String name, Change change)
      throws IOException, CommandException {
    // The layers below have no part in it, and are neither opened nor locked.
    OpenOptions options =
        OpenOptions.readOnly()
            .withWritable(true)
            .withBackingChain(false)
            .withWarnings(console::warn);
    try (Image image = source.open(options)) {
      change.apply(image);
    } catch (ImageException e) {
      throw new CommandException(
          "Could not " + verb + " snapshot '" + Escape.text(name) + "': " + e.detail(), e);
    } catch (NoSuchElementException e) {
      String missing =
          verb.equals("apply")
              ? "Failed to load snapshot: No such file or directory"
              : "snapshot not found";
      throw new CommandException(
          "Could not " + verb + " snapshot '" + Escape.text(name) + "': " + missing, e);
    }
  }

  /** By id first, then by name, as QEMU does. */
  private static SnapshotInfo find(Image image, String wanted) {
    return Stream.<Function<SnapshotInfo, String>>of(SnapshotInfo::id, SnapshotInfo::name)
        .flatMap(key -> image.snapshots().stream().filter(s -> key.apply(s).equals(wanted)))
        .findFirst()
        .orElseThrow();
  }
}
