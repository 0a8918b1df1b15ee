package org.qcowfs.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.command.Command;
import org.qcowfs.cli.help.Help;
import org.qcowfs.cli.option.Arguments;
import org.qcowfs.cli.option.UsageException;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import picocli.CommandLine;

/** Runs one command: {@code qcowfs COMMAND ARGUMENTS}. */
public final class Main {
  /** The name the program was called by, which begins each of its messages. */
  public static final String NAME = System.getProperty("qcowfs.name", "qcowfs");

  private Main() {}

  public static void main(String[] args) {
    System.exit(run(args, Console.ofProcess()));
  }

  /** Runs the command and returns its exit code: 0, or 1 after a message. */
  static int run(String[] args, Console console) {
    int code;
    boolean outputFailed = false;
    try {
      code = dispatch(args, console);
    } catch (UsageException e) {
      code = usage(console, e.getMessage());
    } catch (Exception | LinkageError | StackOverflowError | OutOfMemoryError e) {
      outputFailed = e instanceof IOException && !(e instanceof ImageException);
      code = failure(console, e);
    }
    try {
      console.flush();
    } catch (IOException e) {
      code = outputFailed ? 1 : failure(console, e);
    }
    return code;
  }

  private static int dispatch(String[] args, Console console) throws Exception {
    if (args.length == 0) {
      throw new UsageException("Not enough arguments");
    }
    String name = args[0];
    List<String> rest = Arrays.asList(args).subList(1, args.length);
    switch (name) {
      case "-h", "--help" -> {
        return Help.all(console);
      }
      case "-V", "--version" -> {
        console.out().append("qcowfs ").append(Version.NUMBER).append('\n');
        return 0;
      }
      case "help" -> {
        return rest.isEmpty() ? Help.all(console) : help(rest.get(0), console);
      }
      default -> {}
    }
    Command command = Commands.create(name);
    if (command != null) {
      Arguments arguments = Arguments.parse(command.synopsis(), rest);
      return arguments.wantsHelp() ? help(name, console) : command.run(arguments, console);
    }
    Callable<Integer> annotated = Commands.createAnnotated(name);
    if (annotated != null) {
      return picocli(name, annotated, rest, console);
    }
    throw new UsageException(
        (name.startsWith("-") ? "unrecognized option '" : "Command not found: ")
            + Escape.text(name)
            + (name.startsWith("-") ? "'" : ""));
  }

  private static int help(String name, Console console) throws Exception {
    if (!Commands.names().contains(name)) {
      throw new UsageException("Command not found: " + Escape.text(name));
    }
    return Help.of(name, console);
  }

  /** The commands whose start-up time does not matter leave their options to picocli. */
  private static int picocli(
      String name, Callable<Integer> command, List<String> rest, Console console) {
    CommandLine line = new CommandLine(command);
    line.setCommandName(NAME + " " + name);
    line.setOut(new PrintWriter(console.out()));
    line.setErr(new PrintWriter(console.err(), true));
    line.setParameterExceptionHandler(
        (e, a) -> usage(console, Escape.text(String.valueOf(e.getMessage()))));
    line.setExecutionExceptionHandler((e, commandLine, result) -> failure(console, e));
    return line.execute(rest.toArray(String[]::new));
  }

  private static int usage(Console console, @Nullable String message) {
    flushFirst(console);
    console.error(String.valueOf(message));
    console.err().println("Try '" + NAME + " --help' for more information");
    return 1;
  }

  private static int failure(Console console, Throwable e) {
    flushFirst(console);
    String message = String.valueOf(e.getMessage());
    if (e instanceof ImageException fault && fault.detail().startsWith("Could not open '")) {
      console.error(fault.detail()); // it names the file already
    } else if (e instanceof ImageException || e instanceof CommandException) {
      console.error(message);
    } else if (e instanceof IOException) {
      // Nobody reads any more: say nothing, as a program that SIGPIPE ended.
      if (!message.contains("Broken pipe")) {
        console.error("Could not write the output: " + Escape.text(message));
      }
    } else {
      console.error("internal error: " + Escape.text(e.toString()));
    }
    if (System.getenv("QCOWFS_DEBUG") != null) {
      e.printStackTrace(console.err());
    }
    return 1;
  }

  /** What was written before a fault stays before its message. */
  private static void flushFirst(Console console) {
    try {
      console.flush();
    } catch (IOException e) {
      // The last flush reports it.
    }
  }
}
