package org.qcowfs.cli.command.change;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.command.Command;
import org.qcowfs.cli.option.ByteSize;
import org.qcowfs.cli.option.ImageSource;
import org.qcowfs.cli.option.ImageTarget;
import org.qcowfs.cli.option.Options;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.Console;
import org.qcowfs.cli.program.UsageException;
import org.qcowfs.engine.change.Bitmaps;
import org.qcowfs.engine.change.Bitmaps.Action;
import org.qcowfs.engine.change.Bitmaps.Kind;
import org.qcowfs.engine.error.ImageException;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** {@code bitmap}: changes the persistent dirty bitmaps of an image. */
public final class BitmapCommand implements Command {
  private static final List<String> LONG_WITH_VALUE =
      List.of("object", "format", "granularity", "source-file", "source-format");

  @Override
  public CommandSpec spec() {
    CommandSpec spec =
        Options.command(
            "bitmap",
            "Adds, removes, clears, enables, disables or merges a persistent dirty bitmap.",
            "qcowfs bitmap --add -g 64k vm.qcow2 backup-0",
            "Several actions are done in the order they are given.");
    ImageTarget.addTo(spec);
    return spec.addOption(Options.flag("Make the bitmap, recording writes.", "--add"))
        .addOption(Options.flag("Remove the bitmap.", "--remove"))
        .addOption(Options.flag("Set all bits to zero.", "--clear"))
        .addOption(Options.flag("Make the bitmap record writes.", "--enable"))
        .addOption(Options.flag("Make the bitmap stop recording writes.", "--disable"))
        .addOption(Options.values("SOURCE", "Add the bits of another bitmap.", "--merge"))
        .addOption(
            Options.file("FILE", "The image with the bitmaps to merge.", "-b", "--source-file"))
        .addOption(
            Options.value(
                "FORMAT", "That image's format; else it is probed.", "-F", "--source-format"))
        .addOption(
            Options.value(
                "SIZE", "Guest bytes for each bit of an added bitmap.", "-g", "--granularity"))
        .addPositional(Options.operands("FILE BITMAP"));
  }

  @Override
  public int run(ParseResult line, Console console)
      throws IOException, UsageException, CommandException {
    long granularity = granularity(Options.text(line, "-g"));
    List<Action> actions = actions(line.originalArgs());
    List<String> operands = Options.operands(line);
    String source = Options.text(line, "-b");
    String sourceFormat = Options.text(line, "-F");
    if (actions.isEmpty()) {
      throw new CommandException(
          "Need at least one of --add, --remove, --clear, --enable, --disable, or --merge");
    }
    if (operands.size() != 2) {
      throw new CommandException("Expecting filename and bitmap name");
    }
    if (granularity != 0 && actions.stream().noneMatch(a -> a.kind() == Kind.ADD)) {
      throw new CommandException("granularity only supported with --add");
    }
    if (sourceFormat != null && source == null) {
      throw new CommandException("-F only supported with -b");
    }
    if (source != null && actions.stream().noneMatch(a -> a.kind() == Kind.MERGE)) {
      throw new CommandException("Merge bitmap source file only supported with --merge");
    }
    ImageTarget target = ImageTarget.of(line, operands.get(0));
    target.probe(true, console);
    try {
      Bitmaps.run(
          target.path(),
          target.options(console),
          new Bitmaps.Request(operands.get(1), actions, granularity, source, sourceFormat),
          target.files());
    } catch (ImageException e) {
      boolean opening = !e.detail().startsWith("Operation ");
      throw opening && e.file().equals(source)
          ? ImageSource.couldNotOpen(e.file(), e)
          : target.failure(e);
    }
    return 0;
  }

  /** The actions in the order of the words; the words have been parsed without fault. */
  private static List<Action> actions(List<String> words) {
    List<Action> actions = new ArrayList<>();
    for (int i = 0; i < words.size() && !words.get(i).equals("--"); i++) {
      String word = words.get(i);
      if (!word.startsWith("--")) {
        boolean takesNext = word.length() == 2 && "bFgf".indexOf(word.charAt(1)) >= 0;
        i += word.startsWith("-") && takesNext ? 1 : 0;
        continue;
      }
      int equals = word.indexOf('=');
      String name = equals < 0 ? word.substring(2) : word.substring(2, equals);
      Kind kind = kind(name);
      if (kind == Kind.MERGE) {
        actions.add(new Action(kind, equals < 0 ? words.get(++i) : word.substring(equals + 1)));
      } else if (kind != null) {
        actions.add(new Action(kind, null));
      } else if (equals < 0 && LONG_WITH_VALUE.stream().anyMatch(o -> o.startsWith(name))) {
        i++;
      }
    }
    return actions;
  }

  /** The action a name, perhaps cut short, stands for. */
  private static @Nullable Kind kind(String name) {
    for (Kind kind : Kind.values()) {
      if (!name.isEmpty() && kind.name().toLowerCase(Locale.ROOT).startsWith(name)) {
        return kind;
      }
    }
    return null;
  }

  private static long granularity(@Nullable String text) throws CommandException {
    if (text == null) {
      return 0;
    }
    long bytes = ByteSize.parse(text);
    if (bytes < 0) {
      throw ByteSize.invalid("granularity");
    }
    return bytes;
  }
}
