package org.qcowfs.cli.command;

import java.io.IOException;
import java.util.List;
import org.qcowfs.cli.option.ImageSource;
import org.qcowfs.cli.option.KeyValues;
import org.qcowfs.cli.option.NewImage;
import org.qcowfs.cli.option.Options;
import org.qcowfs.cli.option.OutputFormat;
import org.qcowfs.cli.option.SnapshotChoice;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.Console;
import org.qcowfs.cli.program.UsageException;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.convert.Measure;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.json.JsonWriter;
import org.qcowfs.engine.model.CreateOptions;
import org.qcowfs.engine.model.ImageInfo;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.model.Qcow2Info;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** {@code measure}: how large an image will be. */
public final class MeasureCommand implements Command {
  private static final long NO_BITMAPS = -1;

  @Override
  public CommandSpec spec() {
    CommandSpec spec =
        Options.command(
            "measure",
            "Tells how large an image will be: a new one of a size, or a copy of FILE.",
            "qcowfs measure -O qcow2 -o cluster_size=128k vm.raw");
    ImageSource.addTo(spec);
    return spec.addOption(
            Options.value("FORMAT", "The new image's format: qcow2 or raw (default).", "-O"))
        .addOption(
            Options.values(
                "OPTIONS", "Options of the new image: key=value, with commas between.", "-o"))
        .addOption(Options.value("SIZE", "The size of the new image's disk.", "--size"))
        .addOption(
            Options.value(
                "SNAPSHOT",
                "Measure the disk as it was at a snapshot:"
                    + " snapshot.id=ID,snapshot.name=NAME, or an id or name.",
                "-l"))
        .addOption(OutputFormat.option());
  }

  @Override
  public int run(ParseResult line, Console console)
      throws IOException, UsageException, CommandException {
    OutputFormat output = OutputFormat.of(line);
    String sizeText = Options.text(line, "--size");
    long size = sizeText == null ? -1 : CreateCommand.size(sizeText);
    List<String> files = Options.operands(line);
    if (files.size() > 1) {
      throw new CommandException("At most one filename argument is allowed.");
    }
    if (size < 0 == files.isEmpty()) {
      throw new CommandException(
          size < 0
              ? "Either --size N or one filename must be specified."
              : "--size N cannot be used together with a filename.");
    }
    String chosen = Options.text(line, "-O");
    String format = chosen == null ? "raw" : chosen;
    NewImage.checkFormat("", format);
    NewImage target = options(format, KeyValues.parse(Options.texts(line, "-o")));
    try {
      if (files.isEmpty()) {
        print(
            target.isRaw() ? Measure.raw(size) : Measure.empty(target.qcow2(size)),
            NO_BITMAPS,
            output,
            console);
      } else {
        ImageSource source = ImageSource.of(line, files.get(0));
        try (Image image = source.open(OpenOptions.readOnly().withWarnings(console::warn))) {
          Image disk = SnapshotChoice.of(image, Options.text(line, "-l"));
          Measure measure =
              target.isRaw()
                  ? Measure.raw(disk.size())
                  : Measure.copy(disk, target.qcow2(disk.size()));
          print(measure, bitmaps(source, target), output, console);
        }
      }
    } catch (ImageException e) {
      throw new CommandException(e.file().isEmpty() ? e.detail() : "" + e.getMessage(), e);
    }
    return 0;
  }

  private static NewImage options(String format, KeyValues values) throws CommandException {
    try {
      return NewImage.of("", format, values);
    } catch (CommandException e) {
      throw new CommandException(
          e.getMessage() + "\nInvalid options for file format '" + format + "'", e);
    }
  }

  private static long bitmaps(ImageSource source, NewImage target)
      throws ImageException, CommandException {
    CreateOptions copy = target.isRaw() ? null : target.qcow2(0);
    ImageInfo info = source.describe();
    Qcow2Info qcow2 = info.qcow2();
    // Version 2 has no bitmaps, in neither of the two.
    return copy == null || copy.version() < 3 || qcow2 == null || qcow2.version() < 3
        ? NO_BITMAPS
        : Measure.bitmaps(qcow2, info.virtualSize(), copy.clusterSize());
  }

  private static void print(Measure measure, long bitmaps, OutputFormat output, Console console)
      throws IOException {
    if (output == OutputFormat.JSON) {
      JsonWriter json = new JsonWriter(console.out()).beginObject(null);
      if (bitmaps != NO_BITMAPS) {
        json.number("bitmaps", bitmaps);
      }
      json.number("required", measure.required())
          .number("fully-allocated", measure.fullyAllocated())
          .endObject();
      return;
    }
    String text =
        "required size: "
            + measure.required()
            + "\nfully allocated size: "
            + measure.fullyAllocated()
            + "\n"
            + (bitmaps == NO_BITMAPS ? "" : "bitmaps size: " + bitmaps + "\n");
    console.out().append(text);
  }
}
