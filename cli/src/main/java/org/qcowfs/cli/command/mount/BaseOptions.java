package org.qcowfs.cli.command.mount;

import java.util.function.Consumer;
import org.qcowfs.cli.option.Options;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** The options of {@code mount} about a base that is far away. */
final class BaseOptions {
  private static final String COPY_ON_READ = "--copy-on-read";

  private final boolean copyOnRead;

  private BaseOptions(boolean copyOnRead) {
    this.copyOnRead = copyOnRead;
  }

  static void addTo(CommandSpec spec) {
    spec.addOption(
        Options.flag(
            "Keep in the overlay (with --rw: in the image) a copy of what is read from the files"
                + " below it, so that it is read from there only once.",
            COPY_ON_READ));
  }

  /**
   * @param writable whether the mount has something that can keep a copy
   */
  static BaseOptions of(ParseResult line, boolean writable) throws CommandException {
    boolean copyOnRead = Options.has(line, COPY_ON_READ);
    if (copyOnRead && !writable) {
      throw new CommandException(COPY_ON_READ + " needs --overlay or --rw");
    }
    return new BaseOptions(copyOnRead);
  }

  /** Has an image do what was asked for; nothing of it has been read yet. */
  void applyTo(Image disk, Consumer<String> log) throws ImageException, CommandException {
    if (copyOnRead) {
      if (disk.depth() == 1) {
        throw new CommandException(COPY_ON_READ + ": the image has no backing file");
      }
      disk.copyOnRead(log);
    }
  }
}
