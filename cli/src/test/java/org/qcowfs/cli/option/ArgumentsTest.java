package org.qcowfs.cli.option;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ArgumentsTest {
  private static final Option SHARE = Option.flag('U', "force-share", "");
  private static final Option FORMAT = Option.value('f', "format", "FORMAT", "");
  private static final Option FORCE = Option.flag((char) 0, "force", "");
  private static final Option LIST = Option.flag('l', "", "");
  private static final Synopsis SYNOPSIS =
      new Synopsis("x", "FILE", "", List.of(SHARE, FORMAT, FORCE, LIST), List.of(), "");

  private static Arguments parse(String line) throws UsageException {
    return Arguments.parse(SYNOPSIS, line.isEmpty() ? List.of() : List.of(line.split(" ")));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "-f raw -U a",
        "-fraw -U a",
        "-Ufraw a",
        "-Uf raw a",
        "a -U -f raw",
        "--format raw a -U",
        "--format=raw --force-share a",
        "--form raw --force-s a",
        "-f qcow2 -f raw -U a"
      })
  void allSpellingsMeanTheSame(String line) throws UsageException {
    Arguments arguments = parse(line);
    assertThat(arguments.value(FORMAT)).isEqualTo("raw");
    assertThat(arguments.has(SHARE)).isTrue();
    assertThat(arguments.has(FORCE)).isFalse();
    assertThat(arguments.operands()).containsExactly("a");
  }

  @Test
  void twoHyphensEndTheOptions() throws UsageException {
    Arguments arguments = parse("-l -- -U --help");
    assertThat(arguments.operands()).containsExactly("-U", "--help");
    assertThat(arguments.has(LIST)).isTrue();
    assertThat(arguments.wantsHelp()).isFalse();
  }

  @Test
  void oneHyphenIsAnOperand() throws UsageException {
    assertThat(parse("-").operands()).containsExactly("-");
  }

  @ParameterizedTest
  @ValueSource(strings = {"--help", "--he", "-h", "-lh", "a --help --bogus"})
  void helpEndsTheParsing(String line) throws UsageException {
    assertThat(parse(line).wantsHelp()).isTrue();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--bogus|unrecognized option '--bogus'",
        "-z|unrecognized option '-z'",
        "-lz|unrecognized option '-lz'",
        "--for|unrecognized option '--for'",
        "--force=yes|unrecognized option '--force=yes'",
        "--=x|unrecognized option '--=x'",
        "-f|missing argument for option '-f'",
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
  void everyValueIsKept() throws UsageException {
    assertThat(parse("-f a -f b").values(FORMAT)).containsExactly("a", "b");
    assertThat(parse("").values(FORMAT)).isEmpty();
    assertThat(parse("").value(FORMAT)).isNull();
  }
}
