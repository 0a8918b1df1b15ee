package org.qcowfs.cli;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.command.Command;
import org.qcowfs.cli.help.Help;
import org.qcowfs.cli.option.Parser;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.Console;
import org.qcowfs.cli.program.ProgramName;
import org.qcowfs.cli.program.Sandbox;
import org.qcowfs.cli.program.UsageException;
import org.qcowfs.cli.program.Version;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import picocli.CommandLine.ParseResult;

/** Runs one command: {@code qcowfs COMMAND ARGUMENTS}. */
public final class Main {
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

  private static int dispatch(String[] words, Console console) throws Exception {
    String[] args = words;
    if (args.length > 0 && Sandbox.isOption(args[0])) {
      Sandbox.enter(args[0]);
      args = Arrays.copyOfRange(args, 1, args.length);
    }
    if (args.length == 0) {
      throw new UsageException("Not enough arguments");
    }
    String name = args[0];
    List<String> rest = Arrays.asList(args).subList(1, args.length);
    switch (name) {
      case "-h", "--help" -> {
        return help(console);
      }
      case "-V", "--version" -> {
        console.out().append(Version.line()).append('\n');
        return 0;
      }
      case "help" -> {
        return rest.isEmpty() ? help(console) : help(rest.get(0), console);
      }
      default -> {}
    }
    Command command = command(name);
    ParseResult line = Parser.parse(command.spec(), command.words(rest));
    if (line.isUsageHelpRequested()) {
      return help(name, console);
    }
    Sandbox.admit(name, line, console);
    return command.run(line, console);
  }

  private static Command command(String name) throws UsageException {
    Command command = Commands.create(name);
    if (command == null) {
      throw new UsageException(
          name.startsWith("-")
              ? "unrecognized option '" + Escape.text(name) + "'"
              : "Command not found: " + Escape.text(name));
    }
    return command;
  }

  private static int help(Console console) {
    Help.print(Commands.describeAll(ProgramName.VALUE), console);
    return 0;
  }

  private static int help(String name, Console console) throws IOException, UsageException {
    if (name.equals("qemu-img")) {
      Help.qemuImg(console.out());
      return 0;
    }
    Help.print(command(name).spec(), console);
    return 0;
  }

  private static int usage(Console console, @Nullable String message) {
    flushFirst(console);
    console.error(String.valueOf(message));
    console.err().println("Try '" + ProgramName.VALUE + " --help' for more information");
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
    } else if (e instanceof OutOfMemoryError) {
      console.error(
          "out of memory: this needs more than the "
              + (Runtime.getRuntime().maxMemory() >> 20)
              + " MiB that Java has here");
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
