package org.qcowfs.cli.command;

import java.io.IOException;
import java.util.List;
import org.qcowfs.cli.option.CacheOption;
import org.qcowfs.cli.option.ImageSource;
import org.qcowfs.cli.option.Options;
import org.qcowfs.cli.option.OutputFormat;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.Console;
import org.qcowfs.cli.program.UsageException;
import org.qcowfs.cli.render.ProgressLine;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.convert.Compare;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.json.JsonWriter;
import org.qcowfs.engine.json.MapEntry;
import org.qcowfs.engine.json.MapWalk;
import org.qcowfs.engine.model.OpenOptions;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** {@code compare}: whether two images show the same disk. */
public final class CompareCommand implements Command {
  private static final int DIFFERENT = 1;
  private static final int NOT_OPENED = 2;
  private static final int NOT_MAPPED = 3;
  private static final int NOT_READ = 4;

  @Override
  public CommandSpec spec() {
    return Options.command(
            "compare",
            "Tells whether two images show the same disk, whatever their formats.",
            "qcowfs compare --all --output=json before.qcow2 after.qcow2",
            "Behind the end of the shorter disk there are zeroes.",
            "Exit codes: 0 identical, 1 different, 2 an image could not be opened, 3 its map could"
                + " not be read, 4 its data could not be read.")
        .addOption(Options.value("FORMAT", "The first image's format; else it is probed.", "-f"))
        .addOption(Options.value("FORMAT", "The second image's format; else it is probed.", "-F"))
        .addOption(Options.flag("Sizes and what is allocated or zero must be the same too.", "-s"))
        .addOption(
            Options.flag(
                "Go on after the first difference, and list them all (to 512 bytes).", "--all"))
        .addOption(OutputFormat.option())
        .addOption(Options.flag("Show progress.", "-p"))
        .addOption(Options.flag("Print nothing but errors.", "-q", "--quiet"))
        .addOption(Options.value(CacheOption.MODES, "Accepted as qemu-img does.", "-T"))
        .addOption(
            Options.flag(
                "Read the images even while another process writes to them.",
                "-U",
                "--force-share"))
        .addOption(
            Options.flag(
                "FILE1 and FILE2 are lists of options:"
                    + " driver=FORMAT,file.driver=file,file.filename=PATH.",
                "--image-opts"))
        .addOption(
            Options.values(
                "OBJECT", "Accepted as qemu-img does; only secrets, which go unused.", "--object"))
        .addPositional(Options.operands("FILE1 FILE2"));
  }

  @Override
  public int run(ParseResult line, Console console)
      throws IOException, UsageException, CommandException, InterruptedException {
    List<String> files = Options.operands(line);
    if (files.size() != 2) {
      throw new UsageException("Expecting two image file names");
    }
    OutputFormat output = OutputFormat.of(line);
    OpenOptions options = OpenOptions.readOnly().withWarnings(console::warn);
    Image one = null;
    Image other = null;
    try {
      try {
        CacheOption.isDurable(Options.text(line, "-T"), "writeback", "source cache");
        one = ImageSource.of(line, files.get(0)).open(options);
        other = ImageSource.of(line, files.get(1), Options.text(line, "-F")).open(options);
      } catch (CommandException e) {
        console.error(String.valueOf(e.getMessage()));
        return NOT_OPENED;
      }
      return compare(line, one, other, output, console);
    } finally {
      if (one != null) {
        one.close();
      }
      if (other != null) {
        other.close();
      }
    }
  }

  private static int compare(
      ParseResult line, Image one, Image other, OutputFormat output, Console console)
      throws IOException, InterruptedException {
    boolean quiet = Options.has(line, "--quiet");
    boolean shown = Options.has(line, "-p") && !quiet;
    try (ProgressLine progress = new ProgressLine(console.out(), shown).onSignal(console.err())) {
      Compare compare = new Compare(one, other, progress);
      return Options.has(line, "--all")
          ? all(compare, output, quiet, console)
          : first(compare, one, other, Options.has(line, "-s"), quiet, console);
    } catch (Compare.ReadFault e) {
      String path = (e.isFirst() ? one : other).path(0);
      console.error(
          "Error while reading offset "
              + e.offset()
              + " of "
              + Escape.text(path)
              + ": "
              + e.reason().getMessage());
      return NOT_READ;
    } catch (ImageException e) {
      console.error(String.valueOf(e.getMessage()));
      return NOT_MAPPED;
    }
  }

  private static int first(
      Compare compare, Image one, Image other, boolean strict, boolean quiet, Console console)
      throws IOException, Compare.ReadFault, InterruptedException {
    boolean sameSize = one.size() == other.size();
    if (strict && !sameSize) {
      return say(console, quiet, "Strict mode: Image size mismatch!", DIFFERENT);
    }
    long status = strict ? statusMismatch(one, other) : Long.MAX_VALUE;
    long found = compare.first(0);
    long content = found < 0 ? Long.MAX_VALUE : found;
    long common = Math.min(one.size(), other.size());
    if (!sameSize && content >= common) {
      say(console, quiet, "Warning: Image size mismatch!", 0);
    }
    int code;
    if (status <= content && status != Long.MAX_VALUE) {
      code =
          say(
              console,
              quiet,
              "Strict mode: Offset " + status + " block status mismatch!",
              DIFFERENT);
    } else if (found >= 0) {
      code = say(console, quiet, "Content mismatch at offset " + content + "!", DIFFERENT);
    } else {
      code = say(console, quiet, "Images are identical.", 0);
    }
    return code;
  }

  private static int say(Console console, boolean quiet, String text, int code) throws IOException {
    if (!quiet) {
      console.out().append(text).append('\n');
    }
    return code;
  }

  /** The first offset at which one disk is allocated or zero and the other is not. */
  private static long statusMismatch(Image one, Image other) throws ImageException {
    MapWalk oneWalk = new MapWalk(one, 0);
    MapWalk otherWalk = new MapWalk(other, 0);
    MapEntry a = oneWalk.next();
    MapEntry b = otherWalk.next();
    while (a != null && b != null) {
      if (a.zero() != b.zero() || a.data() != b.data() || a.present() != b.present()) {
        return Math.max(a.start(), b.start());
      }
      long aEnd = a.start() + a.length();
      long bEnd = b.start() + b.length();
      a = aEnd <= bEnd ? oneWalk.next() : a;
      b = bEnd <= aEnd ? otherWalk.next() : b;
    }
    return Long.MAX_VALUE;
  }

  /** Lists every difference; nothing is kept, so that there may be any number of them. */
  private static int all(Compare compare, OutputFormat output, boolean quiet, Console console)
      throws IOException, Compare.ReadFault, InterruptedException {
    JsonWriter json = new JsonWriter(console.out());
    boolean asJson = output == OutputFormat.JSON && !quiet;
    boolean asText = output == OutputFormat.HUMAN && !quiet;
    if (asJson) {
      json.beginArray(null);
    }
    long count = 0;
    for (Compare.Difference at = compare.next(0); at != null; at = compare.next(at.end())) {
      count++;
      if (asJson) {
        json.beginObject(null)
            .number("start", at.start())
            .number("length", at.length())
            .endObject();
      } else if (asText) {
        String text = "Content mismatch at offset " + at.start() + ", " + at.length() + " bytes";
        console.out().append(text).append('\n');
      }
    }
    if (asJson) {
      json.endArray();
    } else if (asText && count == 0) {
      console.out().append("Images are identical.\n");
    }
    return count == 0 ? 0 : DIFFERENT;
  }
}
