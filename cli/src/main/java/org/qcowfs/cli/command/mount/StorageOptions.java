package org.qcowfs.cli.command.mount;

import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.option.Options;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.engine.host.storage.StorageFiles;
import org.qcowfs.engine.host.storage.StoragePolicy;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** The options of {@code mount} about files that are only read and whose storage is not well. */
final class StorageOptions {
  private static final String TIMEOUT = "--io-timeout";
  private static final String ON_ERROR = "--on-error";
  private static final long MOST_SECONDS = 86_400;

  private StorageOptions() {}

  static void addTo(CommandSpec spec) {
    spec.addOption(
            Options.value(
                "SECONDS",
                "Let a read of a file that is only read (the image without --rw, and all below it)"
                    + " fail with EIO if there is no answer for so long, and the mount if such a"
                    + " file cannot be opened in that time (default: wait).",
                TIMEOUT))
        .addOption(
            Options.value(
                "fail|retry",
                "What to do if such a read fails with EIO, ESTALE or ETIMEDOUT: tell the reader"
                    + " (fail, the default), or try again until it works or the reader is"
                    + " interrupted (retry).",
                ON_ERROR));
  }

  /**
   * Where to open the files of a mount.
   *
   * @param watch whether a file below the image that changes is refused from then on
   */
  static StorageFiles files(ParseResult line, boolean watch, Consumer<String> log)
      throws CommandException {
    String onError = Options.text(line, ON_ERROR);
    if (onError != null && !onError.equals("fail") && !onError.equals("retry")) {
      throw new CommandException(ON_ERROR + " takes fail or retry");
    }
    boolean retry = "retry".equals(onError);
    return new StorageFiles(
        new StoragePolicy(timeoutMillis(Options.text(line, TIMEOUT)), retry, watch), log);
  }

  private static long timeoutMillis(@Nullable String seconds) throws CommandException {
    if (seconds == null) {
      return 0;
    }
    try {
      double value = Double.parseDouble(seconds);
      if (value >= 0.001 && value <= MOST_SECONDS) {
        return (long) (value * 1000);
      }
    } catch (NumberFormatException e) {
      // Said below.
    }
    throw new CommandException(TIMEOUT + " takes a number of seconds, 0.001 to " + MOST_SECONDS);
  }
}
