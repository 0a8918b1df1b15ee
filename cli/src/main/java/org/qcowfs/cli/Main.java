package org.qcowfs.cli;

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;

/** Runs one command: {@code qcowfs COMMAND ARGUMENTS}. */
public final class Main {
  /** The name the program was called by, which begins each of its messages. */
  public static final String NAME = System.getProperty("qcowfs.name", "qcowfs");

  private Main() {}

  public static void main(String[] args) {
    PrintStream err = new PrintStream(System.err, true, StandardCharsets.UTF_8);
    System.exit(run(args, err));
  }

  /** Runs the command and returns its exit code; messages go to {@code err}. */
  static int run(String[] args, PrintStream err) {
    if (args.length == 0) {
      return usage(err, "Not enough arguments");
    }
    Callable<Integer> command = Commands.create(args[0]);
    if (command == null) {
      String kind = args[0].startsWith("-") ? "unrecognized option '%s'" : "Command not found: %s";
      return usage(err, String.format(kind, Escape.text(args[0])));
    }
    boolean isRoot = command instanceof RootCommand;
    CommandLine line = new CommandLine(command);
    line.setCommandName(isRoot ? NAME : NAME + " " + args[0]);
    line.setCaseInsensitiveEnumValuesAllowed(false);
    line.setErr(new java.io.PrintWriter(err, true));
    line.setParameterExceptionHandler((e, a) -> usage(err, describe(e)));
    line.setExecutionExceptionHandler((e, commandLine, result) -> failure(err, e, result));
    return line.execute(isRoot ? args : Arrays.copyOfRange(args, 1, args.length));
  }

  private static String describe(ParameterException e) {
    return Escape.text(String.valueOf(e.getMessage()));
  }

  private static int usage(PrintStream err, String message) {
    err.println(NAME + ": " + message);
    err.println("Try '" + NAME + " --help' for more information");
    return 1;
  }

  private static int failure(PrintStream err, Exception e, @Nullable ParseResult result) {
    if (e instanceof ImageException) {
      err.println(NAME + ": " + e.getMessage());
    } else if (e instanceof CommandException) {
      err.println(NAME + ": " + e.getMessage());
    } else {
      err.println(NAME + ": internal error: " + Escape.text(e.toString()));
    }
    if (System.getenv("QCOWFS_DEBUG") != null) {
      e.printStackTrace(err);
    }
    return 1;
  }
}
