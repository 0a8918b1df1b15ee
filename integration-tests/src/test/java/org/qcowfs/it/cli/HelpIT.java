package org.qcowfs.it.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/** Help, manual page and completion, judged by the programs that read them. */
class HelpIT {
  private static final Path HERE = Path.of(".");

  static List<String> commands() {
    String help = Cli.qcowfs(HERE, "--help").orFail().out();
    String list = help.substring(help.indexOf("Commands:"));
    List<String> names =
        Pattern.compile("^  ([a-z]+)", Pattern.MULTILINE)
            .matcher(list)
            .results()
            .map(match -> match.group(1))
            .toList();
    assertThat(names).contains("mount", "umount", "mounts", "info", "map", "snapshot", "demo");
    return names;
  }

  @ParameterizedTest
  @MethodSource("commands")
  void everyCommandHasHelpWithAnExample(String command) {
    Run.Result help = Cli.qcowfs(HERE, command, "--help").orFail();
    assertThat(help.out())
        .startsWith("Usage: qcowfs " + command)
        .containsPattern("Example:\\n  .*qcowfs " + command);
    assertThat(help.err()).isEmpty();
    assertThat(Cli.qcowfs(HERE, "help", command).orFail().out()).isEqualTo(help.out());
  }

  @ParameterizedTest
  @ValueSource(strings = {"--version", "-V"})
  void versionIsOneLine(String option) {
    assertThat(Cli.qcowfs(HERE, option).orFail().out()).matches("qcowfs \\d+\\.\\d+\\.\\d+\n");
  }

  @Test
  void differencesFromQemuImgAreListed() {
    String text = Cli.qcowfs(HERE, "help", "qemu-img").orFail().out();
    String list = text.substring(text.indexOf("- "));
    assertThat(list.lines().filter(l -> l.startsWith("- ")).count()).isGreaterThan(8);
  }

  @Test
  void manualPageIsWithoutFault() throws IOException {
    Requires.tools("man");
    try (TempImages scratch = TempImages.create("man")) {
      Path page = scratch.path("qcowfs.1");
      Files.writeString(page, Cli.qcowfs(HERE, "man").orFail().out());
      Run.Result shown =
          Run.ok(
              "env", "MANWIDTH=100", "LC_ALL=C.UTF-8", "man", "--warnings", "-l", page.toString());
      assertThat(shown.err()).isEmpty();
      assertThat(shown.out()).contains("NAME", "SYNOPSIS", "EXIT STATUS", "QCOWFS_JAVA_OPTS");
      for (String command : commands()) {
        assertThat(shown.out()).contains("qcowfs " + command);
      }
    }
  }

  static Stream<List<String>> completions() {
    return Stream.of(
        List.of("qcowfs sn", "snapshot"),
        List.of("qcowfs info --out", "--output"),
        List.of("qcowfs map --start", "--start-offset"),
        List.of("qcowfs mount --pid", "--pid-file"));
  }

  @ParameterizedTest
  @MethodSource("completions")
  void bashCompletes(List<String> typedAndExpected) throws IOException {
    try (TempImages scratch = TempImages.create("completion")) {
      Path script = scratch.path("qcowfs.bash");
      Files.writeString(script, Cli.qcowfs(HERE, "completion", "bash").orFail().out());
      String ask =
          "source \"$0\"; read -ra COMP_WORDS <<<\"$1\"; COMP_CWORD=$((${#COMP_WORDS[@]} - 1));"
              + " COMP_LINE=$1; COMP_POINT=${#1}; _complete_qcowfs; printf '%s\\n'"
              + " \"${COMPREPLY[@]}\"";
      Run.Result result = Run.ok("bash", "-c", ask, script.toString(), typedAndExpected.get(0));
      assertThat(result.out().lines().map(String::strip)).contains(typedAndExpected.get(1));
    }
  }

  @Test
  void zshTakesTheCompletion() throws IOException {
    Requires.tools("zsh");
    try (TempImages scratch = TempImages.create("completion")) {
      Path script = scratch.path("qcowfs.zsh");
      Files.writeString(script, Cli.qcowfs(HERE, "completion", "zsh").orFail().out());
      Run.Result result =
          Run.ok(
              "zsh",
              "-f",
              "-c",
              "autoload -U compinit && compinit -u -D && source "
                  + script
                  + " && print $_comps[qcowfs]");
      assertThat(result.err()).isEmpty();
      assertThat(result.out()).contains("_complete_qcowfs");
    }
  }
}
