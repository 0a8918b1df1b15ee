package org.qcowfs.cli.option;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.UsageException;
import picocli.CommandLine.Model.CommandSpec;

class ImageSourceTest {
  private static ImageSource parse(String... words) throws UsageException, CommandException {
    CommandSpec spec = Options.command("x", "", "");
    ImageSource.addTo(spec);
    return ImageSource.of(Parser.parse(spec, List.of(words)));
  }

  @Test
  void plainFileIsProbed() throws Exception {
    assertThat(parse("a.qcow2")).isEqualTo(new ImageSource("a.qcow2", null, false, true));
    assertThat(parse("-U", "-f", "raw", "a")).isEqualTo(new ImageSource("a", "raw", true, true));
  }

  @Test
  void optionsNameTheFile() throws Exception {
    assertThat(parse("--image-opts", "driver=qcow2,file.driver=file,file.filename=a,,b=c.img"))
        .isEqualTo(new ImageSource("a,b=c.img", "qcow2", false, true));
    assertThat(parse("--image-opts", "file.filename=a,force-share=on"))
        .isEqualTo(new ImageSource("a", null, true, true));
    assertThat(parse("--image-opts", "driver=file,filename=a"))
        .isEqualTo(new ImageSource("a", "raw", false, true));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "driver=qcow2|A block device must be specified for \"file\"",
        "a|Cannot find device='a' nor node-name='a'",
        "file.driver=nbd,file.host=x|Driver 'nbd' is not supported",
        "driver=qcow2,backing.driver=raw|Option 'backing.driver' is not supported"
      })
  void otherOptionsAreRefused(String options, String message) {
    assertThatThrownBy(() -> parse("--image-opts", options))
        .isInstanceOf(CommandException.class)
        .hasMessage("Could not open '" + options + "': " + message);
  }

  @Test
  void jsonNamesTheFile() throws Exception {
    assertThat(
            parse(
                "json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"file\",\"filename\":\"a/b\"}}"))
        .isEqualTo(new ImageSource("a/b", "qcow2", false, true));
    assertThat(parse("json:{'file.filename':'a', 'force-share': true}"))
        .isEqualTo(new ImageSource("a", null, true, true));
    assertThat(parse("-f", "raw", "json:{'file':{'filename':'a'}}"))
        .isEqualTo(new ImageSource("a", "raw", false, true));
    assertThat(parse("file:a:b")).isEqualTo(new ImageSource("./a:b", null, false, true));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      value = {
        "json:{|Could not parse the JSON options",
        "json:[]|Invalid JSON object given",
        "json:{\"driver\":\"qcow2\"}|A block device must be specified for \"file\"",
        "json:{'driver':'raw','file':{'driver':'nbd','path':'x'}}|Driver 'nbd' is not supported",
        "json:{'driver':'raw','file':'node0'}|Option 'file' is not supported",
      })
  void otherJsonIsRefused(String operand, String message) {
    assertThatThrownBy(() -> parse(operand))
        .isInstanceOf(CommandException.class)
        .hasMessage("Could not open '" + operand + "': " + message);
  }

  @Test
  void formatAndOptionsExcludeEachOther() {
    assertThatThrownBy(() -> parse("--image-opts", "-f", "raw", "file.filename=a"))
        .hasMessage("--image-opts and --format are mutually exclusive");
  }

  @Test
  void onlySecretsAreObjects() throws Exception {
    assertThat(parse("--object", "secret,id=x,data=y", "a").path()).isEqualTo("a");
    assertThatThrownBy(() -> parse("--object", "iothread,id=x", "a"))
        .hasMessage("invalid object type: iothread");
  }
}
