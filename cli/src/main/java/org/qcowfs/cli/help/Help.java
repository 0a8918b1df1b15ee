package org.qcowfs.cli.help;

import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import org.qcowfs.cli.option.Options;
import org.qcowfs.cli.program.Console;
import org.qcowfs.cli.program.ProgramName;
import org.qcowfs.cli.program.Version;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;

/** The help of all commands and of each, laid out by picocli. */
public final class Help {
  private Help() {}

  /** The program without its commands. */
  public static CommandLine program(String name) {
    CommandSpec spec = CommandSpec.create().name(name);
    spec.usageMessage()
        .description("Looks inside virtual-machine disk images.")
        .synopsisHeading("Usage: ")
        .customSynopsis(name + " COMMAND [OPTION...] FILE...")
        .optionListHeading("%nOptions:%n")
        .commandListHeading("%nCommands:%n")
        .footer(
            "",
            "'" + name + " COMMAND --help' describes a command.",
            "",
            "Supported formats: qcow2 raw");
    spec.addOption(Options.help());
    spec.addOption(Options.flag("Print the version.", "-V", "--version"));
    spec.addOption(
        Options.flag(
            "For somebody else's image, before a command that reads: open no file that it names, take"
                + " 96 MiB of heap and 60 seconds at most; =SECONDS for another time.",
            "--sandbox"));
    spec.version("qcowfs " + Version.NUMBER);
    return new CommandLine(spec);
  }

  /** Prints what {@code --help} shows of the program. */
  public static void print(CommandLine program, Console console) {
    program.usage(new PrintWriter(console.out()), CommandLine.Help.Ansi.OFF);
  }

  /** Prints what {@code COMMAND --help} shows. */
  public static void print(CommandSpec command, Console console) {
    CommandLine program = program(ProgramName.VALUE);
    CommandLine line = new CommandLine(command);
    program.addSubcommand(command.name(), line);
    print(line, console);
  }

  /** Writes what is different from qemu-img. */
  public static void qemuImg(Appendable out) throws IOException {
    try (InputStream in = Help.class.getResourceAsStream("qemu-img.txt")) {
      if (in == null) {
        throw new IllegalStateException("the program's own text is missing");
      }
      out.append("Options, texts, JSON and exit codes are those of qemu-img 7.2, but:\n\n");
      out.append(new String(in.readAllBytes(), StandardCharsets.UTF_8));
    }
  }

  /** Writes the completion script for bash and zsh. */
  public static void completion(CommandLine program, Appendable out) throws IOException {
    out.append(AutoComplete.bash(program.getCommandName(), program));
  }
}
