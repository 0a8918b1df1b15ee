package org.qcowfs.cli.help;

import java.io.IOException;
import java.io.PrintWriter;
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
        .footer("", "'" + name + " COMMAND --help' describes a command.");
    spec.addOption(Options.help());
    spec.addOption(Options.flag("Print the version.", "-V", "--version"));
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

  /** Writes the completion script for bash and zsh. */
  public static void completion(CommandLine program, Appendable out) throws IOException {
    out.append(AutoComplete.bash(program.getCommandName(), program));
  }
}
