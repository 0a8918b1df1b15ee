package org.qcowfs.engine.error;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class EscapeTest {
  @ParameterizedTest
  @CsvSource({
    "'\u001b[2J', '\\x1b[2J'",
    "'a\nb\rc\td', 'a\\x0ab\\x0dc\\x09d'",
    "'nul\u0000', 'nul\\x00'",
    "'del\u007f c1\u0085\u009b', 'del\\x7f c1\\x85\\x9b'",
    "'bidi\u202egnp.exe', 'bidi\\u{202e}gnp.exe'",
    "'isolate\u2066', 'isolate\\u{2066}'",
    "'zero\u200bwidth\ufeff', 'zero\\u{200b}width\\u{feff}'",
    "'line\u2028para\u2029', 'line\\u{2028}para\\u{2029}'",
    "'lone\ud800x', 'lone\\u{d800}x'",
    "'soft\u00adhyphen', 'soft\\xadhyphen'"
  })
  void writesWhatATerminalWouldObeyAsNumbers(String text, String escaped) {
    assertThat(Escape.text(text)).isEqualTo(escaped);
  }

  @Test
  void leavesPrintableTextAlone() {
    for (String text : new String[] {"", "plain ~", "Grüße, 日本, \ud83d\ude00", "back\\slash"}) {
      assertThat(Escape.text(text)).isEqualTo(text);
    }
  }

  @Test
  void exceptionsEscapeTheirFileButKeepItAsItWas() {
    ImageException e = ImageException.corrupt("a\nb", "detail");
    assertThat(e).hasMessage("a\\x0ab: detail");
    assertThat(e.file()).isEqualTo("a\nb");
    assertThat(e.detail()).isEqualTo("detail");
    assertThat(e.errno()).isZero();
    assertThat(e.kind()).isEqualTo(ErrorKind.CORRUPT);
  }
}
