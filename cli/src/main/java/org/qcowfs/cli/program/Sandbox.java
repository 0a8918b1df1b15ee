package org.qcowfs.cli.program;

import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.model.BackingPolicy;
import org.qcowfs.engine.model.OpenOptions;
import picocli.CommandLine.ParseResult;

/**
 * {@code --sandbox[=SECONDS]}, before the command: bounds on what somebody else's image may cost.
 *
 * <p>No file that an image names is opened; after the time the process ends (a mount has no end);
 * commands that change an image are refused. The launcher does the rest: a heap of 96 MiB, no more
 * than 256 files, no core file, and no new privileges but for a mount, which may need fusermount's.
 *
 * <p><b>Thread safety:</b> entered once, before anything else runs.
 */
public final class Sandbox {
  private static final String OPTION = "--sandbox";
  private static final long DEFAULT_SECONDS = 60;
  private static final long MOST_SECONDS = 1_000_000;

  private static boolean active;
  private static long seconds;

  private Sandbox() {}

  /** Whether {@code word} asks for it. */
  public static boolean isOption(String word) {
    return word.equals(OPTION) || word.startsWith(OPTION + "=");
  }

  /** Enters it, as the option says. */
  public static void enter(String option) throws UsageException {
    seconds = DEFAULT_SECONDS;
    if (!option.equals(OPTION)) {
      String value = option.substring(OPTION.length() + 1);
      if (!value.matches("[0-9]{1,7}")
          || Long.parseLong(value) == 0
          || Long.parseLong(value) > MOST_SECONDS) {
        throw new UsageException(
            "--sandbox takes seconds, 1 to " + MOST_SECONDS + ", not '" + Escape.text(value) + "'");
      }
      seconds = Long.parseLong(value);
    }
    active = true;
  }

  /**
   * Begins the command's time, if it is one that may run.
   *
   * @throws UsageException if it is not
   */
  public static void admit(String command, ParseResult line, Console console)
      throws UsageException {
    if (!active) {
      return;
    }
    boolean reads =
        switch (command) {
          case "info", "map", "compare", "measure", "convert", "dd", "mount" -> true;
          case "check" -> !line.hasMatchedOption("-r") && !line.hasMatchedOption("--undo");
          case "snapshot" -> line.hasMatchedOption("-l");
          default -> false;
        };
    if (!reads) {
      throw new UsageException(
          "--sandbox is for commands that read: mount, info, map, check, snapshot -l, compare,"
              + " measure, convert, dd");
    }
    if (!command.equals("mount")) {
      Thread clock = new Thread(() -> stopLater(console), "sandbox");
      clock.setDaemon(true);
      clock.start();
    }
  }

  private static void stopLater(Console console) {
    long end = System.nanoTime() + seconds * 1_000_000_000;
    for (long left = end - System.nanoTime(); left > 0; left = end - System.nanoTime()) {
      LockSupport.parkNanos(left);
    }
    console.error("stopped by --sandbox after " + seconds + " seconds");
    Runtime.getRuntime().halt(1);
  }

  /** The options to open an image with. */
  public static OpenOptions limit(OpenOptions options) {
    return active ? options.withBackingPolicy(BackingPolicy.DENY) : options;
  }

  /**
   * The policy for implicit opens that a command was told, or else {@code usual}.
   *
   * @throws UsageException if it was told one that a sandbox does not have
   */
  public static BackingPolicy policy(@Nullable BackingPolicy told, BackingPolicy usual)
      throws UsageException {
    if (!active) {
      return told == null ? usual : told;
    }
    if (told != null && told != BackingPolicy.DENY) {
      throw new UsageException("--sandbox and --backing exclude each other");
    }
    return BackingPolicy.DENY;
  }
}
