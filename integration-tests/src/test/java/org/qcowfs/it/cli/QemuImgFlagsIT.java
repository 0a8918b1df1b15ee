package org.qcowfs.it.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.qcowfs.cli.Commands;
import org.qcowfs.cli.command.Command;
import org.qcowfs.it.support.Requires;

/** Every flag that qemu-img's own help shows is taken, or named as a difference. */
class QemuImgFlagsIT {
  private static final Pattern FLAG = Pattern.compile("(?<![\\w-])--?[A-Za-z][a-z-]*");
  private static final Path HERE = Path.of(".");

  private static String differences;

  @BeforeAll
  static void readDifferences() {
    differences = Cli.qcowfs(HERE, "help", "qemu-img").orFail().out();
  }

  /** The lines of the help that show how each command is used. */
  static Stream<String> commands() {
    Requires.tools("qemu-img");
    String help = Cli.qemuImg(HERE, "--help").orFail().out();
    List<String> lines =
        help.substring(help.indexOf("Command syntax:"), help.indexOf("Command parameters:"))
            .lines()
            .filter(line -> line.startsWith("  "))
            .map(String::strip)
            .toList();
    assertThat(lines).hasSizeGreaterThan(14);
    return lines.stream();
  }

  @ParameterizedTest
  @MethodSource("commands")
  void isTakenOrNamed(String line) {
    String name = line.substring(0, line.indexOf(' '));
    Command command = Commands.create(name);
    if (command == null) {
      assertThat(differences).contains("`" + name + "`");
      return;
    }
    List<String> missing = new ArrayList<>();
    FLAG.matcher(line)
        .results()
        .map(match -> match.group())
        .filter(flag -> command.spec().findOption(flag) == null)
        .filter(flag -> !differences.contains("`" + name + " " + flag + "`"))
        .forEach(missing::add);
    assertThat(missing).as(line).isEmpty();
  }

  @Test
  void theProgramsOwnFlagsAre() {
    assertThat(differences).contains("`--trace`");
    for (String flag : List.of("-h", "--help")) {
      assertThat(Cli.asQemuImg(HERE, flag).orFail().out())
          .startsWith("Usage: qemu-img ")
          .contains("Supported formats: qcow2 raw\n");
    }
    for (String flag : List.of("-V", "--version")) {
      assertThat(Cli.asQemuImg(HERE, flag).orFail().out())
          .matches("qemu-img version 7\\.2\\.0 \\(qcowfs \\d+\\.\\d+\\.\\d+\\)\n");
    }
  }
}
