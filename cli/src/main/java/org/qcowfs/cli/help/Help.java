package org.qcowfs.cli.help;

import java.io.File;
import java.io.PrintWriter;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.qcowfs.cli.Commands;
import org.qcowfs.cli.Console;
import org.qcowfs.cli.Main;
import org.qcowfs.cli.Version;
import org.qcowfs.cli.command.Command;
import org.qcowfs.cli.option.Option;
import org.qcowfs.cli.option.Synopsis;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/** The help of all commands and of each, laid out by picocli. */
public final class Help {
  private Help() {}

  /** Prints what {@code --help} shows. */
  public static int all(Console console) {
    print(root(Main.NAME), console);
    return 0;
  }

  /** Prints what {@code COMMAND --help} shows. */
  public static int of(String command, Console console) {
    print(Objects.requireNonNull(root(Main.NAME).getSubcommands().get(command)), console);
    return 0;
  }

  /** The completion script for bash and zsh. */
  public static String completion() {
    return AutoComplete.bash("qcowfs", root("qcowfs"));
  }

  private static void print(CommandLine line, Console console) {
    line.usage(new PrintWriter(console.out()), CommandLine.Help.Ansi.OFF);
  }

  /** All commands together; costs too much for anything but help. */
  static CommandLine root(String programName) {
    CommandSpec spec = CommandSpec.create().name(programName);
    spec.usageMessage()
        .description("Looks inside virtual-machine disk images.")
        .synopsisHeading("Usage: ")
        .customSynopsis(programName + " COMMAND [OPTION...] FILE...")
        .optionListHeading("%nOptions:%n")
        .commandListHeading("%nCommands:%n")
        .footer("", "'" + programName + " COMMAND --help' describes a command.");
    spec.addOption(helpOption());
    spec.addOption(
        OptionSpec.builder("-V", "--version")
            .type(boolean.class)
            .versionHelp(true)
            .description("Print the version.")
            .build());
    spec.version("qcowfs " + Version.NUMBER);
    CommandLine root = new CommandLine(spec);
    for (String name : Commands.names()) {
      Command command = Commands.create(name);
      if (command != null) {
        root.addSubcommand(name, new CommandLine(describe(command.synopsis())));
      } else {
        Callable<Integer> annotated = Commands.createAnnotated(name);
        if (annotated == null) {
          throw new IllegalStateException("no command is called " + name);
        }
        root.addSubcommand(name, new CommandLine(annotated));
      }
    }
    return root;
  }

  private static CommandSpec describe(Synopsis synopsis) {
    CommandSpec spec = CommandSpec.create().name(synopsis.name());
    spec.usageMessage()
        .description(prepend(synopsis.purpose(), synopsis.notes()))
        .optionListHeading("%nOptions:%n")
        .footer("", "Example:", "  " + synopsis.example());
    for (Option option : synopsis.options()) {
      spec.addOption(describe(option));
    }
    spec.addOption(helpOption());
    if (!synopsis.operands().isEmpty()) {
      PositionalParamSpec.Builder operand =
          PositionalParamSpec.builder().paramLabel(synopsis.operands()).arity("1").index("0");
      if (synopsis.operands().equals("FILE")) {
        operand.type(File.class);
      } else {
        operand.type(String.class).completionCandidates(List.of(synopsis.operands().split("\\|")));
      }
      spec.addPositional(operand.build());
    }
    return spec;
  }

  private static OptionSpec describe(Option option) {
    String letter = "-" + option.letter();
    String name = "--" + option.name();
    String[] names =
        option.letter() == 0
            ? new String[] {name}
            : option.name().isEmpty() ? new String[] {letter} : new String[] {letter, name};
    OptionSpec.Builder builder = OptionSpec.builder(names).description(option.help());
    if (option.argument().isEmpty()) {
      builder.type(boolean.class);
    } else {
      builder.type(String.class).arity("1").paramLabel(option.argument());
      if (option.argument().indexOf('|') > 0) {
        builder.completionCandidates(List.of(option.argument().split("\\|")));
      }
    }
    return builder.build();
  }

  private static OptionSpec helpOption() {
    return OptionSpec.builder("-h", "--help")
        .type(boolean.class)
        .usageHelp(true)
        .description("Print this help.")
        .build();
  }

  private static String[] prepend(String first, List<String> rest) {
    String[] all = new String[rest.size() + 1];
    all[0] = first;
    for (int i = 0; i < rest.size(); i++) {
      all[i + 1] = rest.get(i);
    }
    return all;
  }
}
