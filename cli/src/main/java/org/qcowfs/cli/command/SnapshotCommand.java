package org.qcowfs.cli.command;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.function.Function;
import java.util.stream.Stream;
import org.qcowfs.cli.CommandException;
import org.qcowfs.cli.Console;
import org.qcowfs.cli.option.Arguments;
import org.qcowfs.cli.option.ImageSource;
import org.qcowfs.cli.option.Option;
import org.qcowfs.cli.option.OutputFormat;
import org.qcowfs.cli.option.Synopsis;
import org.qcowfs.cli.option.UsageException;
import org.qcowfs.cli.render.SnapshotText;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.json.InfoJson;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.model.SnapshotInfo;

/** {@code snapshot}: lists, creates, applies and deletes internal snapshots. */
public final class SnapshotCommand implements Command {
  private static final Option LIST = Option.flag('l', "", "List the snapshots (the default).");
  private static final Option CREATE =
      Option.value('c', "", "NAME", "Make a snapshot of the disk as it is now.");
  private static final Option APPLY =
      Option.value('a', "", "SNAPSHOT", "Make the disk what it was at a snapshot (id or name).");
  private static final Option DELETE =
      Option.value('d', "", "SNAPSHOT", "Delete a snapshot (id or name).");
  private static final Option QUIET =
      Option.flag('q', "quiet", "Accepted as qemu-img does; the list is printed all the same.");

  @Override
  public Synopsis synopsis() {
    List<Option> options = new ArrayList<>(List.of(LIST, CREATE, APPLY, DELETE));
    options.addAll(ImageSource.OPTIONS);
    options.add(QUIET);
    options.add(OutputFormat.OPTION);
    return new Synopsis(
        "snapshot",
        "FILE",
        "Lists, creates, applies or deletes an image's internal snapshots.",
        options,
        List.of(
            "Each change takes effect as one write: after a crash it is done or it is not.",
            "An image that a mount has open for writing is refused."),
        "qcowfs snapshot -c before-upgrade vm.qcow2");
  }

  @Override
  public int run(Arguments arguments, Console console)
      throws IOException, UsageException, CommandException {
    OutputFormat output = OutputFormat.of(arguments);
    ImageSource source = ImageSource.of(arguments);
    String create = arguments.value(CREATE);
    String apply = arguments.value(APPLY);
    String delete = arguments.value(DELETE);
    long actions =
        Stream.of(create, apply, delete).filter(Objects::nonNull).count()
            + (arguments.has(LIST) ? 1 : 0);
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
