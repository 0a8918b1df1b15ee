package org.qcowfs.cli.option;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.cli.program.UsageException;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

class ParserTest {
  private static CommandSpec spec() {
    return Options.command("x", "", "")
        .addOption(Options.flag("", "-U", "--force-share"))
        .addOption(Options.value("FORMAT", "", "-f", "--format"))
        .addOption(Options.flag("", "--force"))
        .addOption(Options.flag("", "-l"))
        .addOption(Options.values("OPTIONS", "", "-o"))
        .addPositional(Options.operands("FILE"));
  }

  private static ParseResult parse(String line) throws UsageException {
    return Parser.parse(spec(), line.isEmpty() ? List.of() : List.of(line.split(" ", -1)));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "-f raw -U a//b/",
        "-fraw -U a//b/",
        "-Ufraw a//b/",
        "-Uf raw a//b/",
        "a//b/ -U -f raw",
        "--format raw a//b/ -U",
        "--format=raw --force-share a//b/",
        "--form raw --force-s a//b/",
        "-f qcow2 -f raw -U a//b/"
      })
  void allSpellingsMeanTheSame(String line) throws UsageException {
    ParseResult parsed = parse(line);
    assertThat(Options.text(parsed, "--format")).isEqualTo("raw");
    assertThat(Options.has(parsed, "--force-share")).isTrue();
    assertThat(Options.has(parsed, "--force")).isFalse();
    assertThat(Options.operands(parsed)).containsExactly("a//b/");
  }

  @Test
  void twoHyphensEndTheOptions() throws UsageException {
    ParseResult parsed = parse("-l -- -U --help --");
    assertThat(Options.operands(parsed)).containsExactly("-U", "--help", "--");
    assertThat(Options.has(parsed, "-l")).isTrue();
    assertThat(parsed.isUsageHelpRequested()).isFalse();
  }

  /** As with getopt, what stands where an argument is due is the argument. */
  @ParameterizedTest
  @ValueSource(strings = {"-U", "--force", "-5", "--bogus", "-Ul", "", "@file", "\"q\"", "a=b"})
  void argumentsMayLookLikeAnything(String value) throws UsageException {
    assertThat(Options.text(parse("-f " + value + " a"), "--format")).isEqualTo(value);
    assertThat(Options.text(parse("--format=" + value + " a"), "--format")).isEqualTo(value);
    assertThat(Options.texts(parse("-o " + value + " a"), "-o")).containsExactly(value);
  }

  @ParameterizedTest
  @ValueSource(strings = {"@file", "\"q\"", "a=b", "${sys:user.home}", "a,b", "1G"})
  void operandsAreTakenAsTheyAre(String word) throws UsageException {
    assertThat(Options.operands(parse(word + " b"))).containsExactly(word, "b");
  }

  @ParameterizedTest
  @ValueSource(strings = {"--help", "--he", "-h", "-lh", "a --help --bogus", "--bogus -h"})
  void helpIsGivenWhateverElseIsThere(String line) throws UsageException {
    assertThat(parse(line).isUsageHelpRequested()).isTrue();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--bogus|unrecognized option '--bogus'",
        "-z|unrecognized option '-z'",
        "a -lz b|unrecognized option '-z'",
        "--fo|option '--fo' is not unique: it matches '--force-share', '--format', '--force'",
        "--force=yes|option '--force' should be specified without 'yes' parameter",
        "--=x|unrecognized option '--=x'",
        "-f|missing argument for option '-f'",
        "-f -- a|missing argument for option '-f'",
        "--format|missing argument for option '--format'"
      })
  void saysWhatIsWrong(String line, String message) {
    assertThatThrownBy(() -> parse(line)).isInstanceOf(UsageException.class).hasMessage(message);
  }

  @Test
  void wordsInMessagesAreEscaped() {
    assertThatThrownBy(() -> parse("--\u001b[31m")).hasMessage("unrecognized option '--\\x1b[31m'");
  }

  @Test
  void whereEachValueCountsEachIsKept() throws UsageException {
    assertThat(Options.texts(parse("-o a -ob,c"), "-o")).containsExactly("a", "b,c");
    assertThat(Options.texts(parse(""), "-o")).isEmpty();
    assertThat(Options.text(parse(""), "--format")).isNull();
    assertThat(Options.operands(parse(""))).isEmpty();
  }
}
