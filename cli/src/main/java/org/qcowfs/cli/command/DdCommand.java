package org.qcowfs.cli.command;

import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.option.ByteSize;
import org.qcowfs.cli.option.ImageSource;
import org.qcowfs.cli.option.KeyValues;
import org.qcowfs.cli.option.NewImage;
import org.qcowfs.cli.option.Options;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.Console;
import org.qcowfs.cli.program.UsageException;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.model.OpenOptions;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** {@code dd}: copies a part of a disk into a new image. */
public final class DdCommand implements Command {
  private static final int PIECE_BYTES = 1 << 20;

  @Override
  public CommandSpec spec() {
    return Options.command(
            "dd",
            "Copies a part of a disk into a new image.",
            "qcowfs dd -O raw bs=1M skip=1 count=65 if=vm.qcow2 of=partition.raw",
            "Operands: if=FILE and of=FILE, bs=SIZE (default: 512), count=BLOCKS, skip=BLOCKS."
                + " As with qemu-img, count counts from the begin of the disk: the blocks skipped"
                + " are among them.")
        .addOption(Options.value("FORMAT", "The source's format; else it is probed.", "-f"))
        .addOption(Options.value("FORMAT", "The target's format: qcow2 or raw (default).", "-O"))
        .addOption(
            Options.flag(
                "Read the source even while another process writes to it.", "-U", "--force-share"))
        .addOption(
            Options.flag(
                "if= is followed by a list of options:"
                    + " driver=FORMAT,file.driver=file,file.filename=PATH.",
                "--image-opts"))
        .addOption(
            Options.values(
                "OBJECT", "Accepted as qemu-img does; only secrets, which go unused.", "--object"))
        .addPositional(Options.operands("OPERAND..."));
  }

  @Override
  public int run(ParseResult line, Console console)
      throws IOException, UsageException, CommandException {
    String in = null;
    String out = null;
    long block = 512;
    long count = -1;
    long skip = 0;
    for (String operand : Options.operands(line)) {
      int equals = operand.indexOf('=');
      String name = equals < 0 ? operand : operand.substring(0, equals);
      String value = operand.substring(equals + 1);
      switch (equals < 0 ? "" : name) {
        case "if" -> in = value;
        case "of" -> out = value;
        case "bs" -> block = number(name, value, 1, Integer.MAX_VALUE);
        case "count" -> count = number(name, value, 0, Long.MAX_VALUE);
        case "skip" -> skip = number(name, value, 0, Long.MAX_VALUE);
        default -> throw new CommandException("unrecognized operand " + Escape.text(name));
      }
    }
    if (in == null || out == null) {
      throw new CommandException("Must specify both input and output files");
    }
    String chosen = Options.text(line, "-O");
    String format = chosen == null ? "raw" : chosen;
    NewImage.checkFormat("", format);
    try (Image source =
        ImageSource.of(line, in).open(OpenOptions.readOnly().withWarnings(console::warn))) {
      long end = source.size();
      if (count >= 0 && count <= Long.MAX_VALUE / block) {
        end = Math.min(end, count * block);
      }
      long start = skip > Long.MAX_VALUE / block ? Long.MAX_VALUE : skip * block;
      if (start > end) {
        console.error(Escape.text(in) + ": cannot skip to specified offset");
        start = end;
      }
      copy(source, start, end - start, out, format);
    }
    return 0;
  }

  private static long number(String name, @Nullable String text, long least, long most)
      throws CommandException {
    long value = ByteSize.parse("" + text);
    if (value == ByteSize.NOT_A_SIZE) {
      throw ByteSize.invalid(name);
    }
    if (value < least || value > most) {
      throw new CommandException(
          "Invalid " + name + " specified. Must be between " + least + " and " + most + ".");
    }
    return value;
  }

  private static void copy(Image source, long start, long length, String out, String format)
      throws CommandException {
    NewImage image = NewImage.of("", format, KeyValues.parse(List.of())).at(out);
    try {
      image.make(length);
    } catch (ImageException e) {
      throw new CommandException(
          Escape.text(out) + ": error while creating output image: " + e.detail(), e);
    }
    OpenOptions options = OpenOptions.readOnly().withFormat(format).withWritable(true);
    try (Image target = Images.open(out, options)) {
      DataBuffer buffer = DataBuffer.allocate(PIECE_BYTES);
      for (long done = 0; done < length; done += PIECE_BYTES) {
        int piece = (int) Math.min(PIECE_BYTES, length - done);
        source.read(start + done, buffer, 0, piece);
        target.write(done, buffer, 0, piece);
      }
    } catch (ImageException e) {
      throw new CommandException(e.getMessage() + "; '" + Escape.text(out) + "' is incomplete", e);
    }
  }
}
