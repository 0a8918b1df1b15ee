package org.qcowfs.cli.help;

import java.io.IOException;
import org.qcowfs.cli.program.Version;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/** The manual page in man(7)'s macros, made from the same descriptions as the help. */
public final class ManPage {
  private ManPage() {}

  /** Writes the page of section 1 about {@code program} and its commands. */
  public static void write(CommandLine program, Appendable out) throws IOException {
    line(out, ".TH QCOWFS 1 \"\" \"qcowfs " + Version.NUMBER + "\" \"User Commands\"");
    line(out, ".SH NAME");
    line(out, text("qcowfs - looks inside virtual-machine disk images"));
    line(out, ".SH SYNOPSIS");
    line(out, ".B qcowfs");
    line(out, ".I COMMAND");
    line(out, text("[OPTION...] FILE..."));
    line(out, ".SH COMMANDS");
    for (CommandLine command : program.getSubcommands().values()) {
      command(command.getCommandSpec(), out);
    }
    storage(out);
    exitStatus(out);
    environment(out);
    line(out, ".SH SEE ALSO");
    line(out, ".BR qemu\\-img (1),");
    line(out, ".BR losetup (8),");
    line(out, ".BR fusermount (1)");
  }

  private static void command(CommandSpec command, Appendable out) throws IOException {
    StringBuilder heading = new StringBuilder("qcowfs ").append(command.name());
    if (!command.options().isEmpty()) {
      heading.append(" [OPTION...]");
    }
    for (PositionalParamSpec operand : command.positionalParameters()) {
      heading.append(' ').append(operand.paramLabel());
    }
    line(out, ".SS \"" + text(heading.toString()) + "\"");
    for (String paragraph : command.usageMessage().description()) {
      line(out, text(paragraph));
      line(out, ".PP");
    }
    for (OptionSpec option : command.options()) {
      if (option.hidden()) {
        continue;
      }
      line(out, ".TP");
      String argument =
          option.arity().max() == 0 ? "" : " \\fI" + text(option.paramLabel()) + "\\fR";
      line(out, "\\fB" + text(String.join(", ", option.names())) + "\\fR" + argument);
      line(out, text(String.join(" ", option.description())));
    }
    for (String paragraph : command.usageMessage().footer()) {
      if (paragraph.startsWith("  ")) {
        line(out, ".PP");
        line(out, ".nf");
        line(out, text(paragraph));
        line(out, ".fi");
      }
    }
  }

  private static void exitStatus(Appendable out) throws IOException {
    line(out, ".SH EXIT STATUS");
    line(
        out,
        text("0 on success, 1 after a message on standard error; check and compare say more."));
  }

  private static void storage(Appendable out) throws IOException {
    line(out, ".SH BASES ON SLOW STORAGE");
    for (String paragraph :
        new String[] {
          "Files below the image are opened for reading only. Where a server grants no locks, for"
              + " example because it has just started, one is used without after 5 seconds, with a"
              + " warning, and locked when that is possible. One whose handle or locks the server"
              + " has lost is opened again by its path; if it is another file by then, or its size"
              + " or time of modification has changed, reads of it fail with EIO.",
          "Sequential readers of files that answer slowly get 1 to 16 MiB of read-ahead along the"
              + " image's map, where the kernel caches the file, as it does on NFS.",
          "A request that waits for such a file keeps no other from going on. A program that reads"
              + " past the kernel's cache, or asks for data and holes, returns at once when it is"
              + " interrupted."
        }) {
      line(out, text(paragraph));
      line(out, ".PP");
    }
  }

  private static void meaning(Appendable out, String name, String meaning) throws IOException {
    line(out, ".TP");
    line(out, ".B " + name);
    line(out, text(meaning));
  }

  private static void environment(Appendable out) throws IOException {
    line(out, ".SH ENVIRONMENT");
    meaning(out, "QCOWFS_INSTALL", "With the value never, nothing is installed.");
    meaning(out, "QCOWFS_JAVA", "The java to use.");
    meaning(out, "QCOWFS_JAVA_OPTS", "Further options for java, for example -Xmx1g.");
    meaning(out, "QCOWFS_DEBUG", "If set, faults come with a stack trace.");
  }

  private static void line(Appendable out, String line) throws IOException {
    out.append(line).append('\n');
  }

  /** Keeps roff from reading text as requests: backslashes, hyphens, a leading dot or quote. */
  private static String text(String text) {
    String escaped = text.replace("\\", "\\e").replace("-", "\\-");
    return escaped.startsWith(".") || escaped.startsWith("'") ? "\\&" + escaped : escaped;
  }
}
