package org.qcowfs.cli.option;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ByteSizeTest {
  @ParameterizedTest
  @CsvSource({
    "0, 0",
    "4096, 4096",
    "0x1000, 4096",
    "1k, 1024",
    "1K, 1024",
    "1.5M, 1572864",
    "2g, 2147483648",
    "1T, 1099511627776",
    "1P, 1125899906842624",
    "7E, 8070450532247928832",
    "5b, 5",
    ".5k, 512",
    "9223372036854775807, 9223372036854775807"
  })
  void sizes(String text, long bytes) {
    assertThat(ByteSize.parse(text)).isEqualTo(bytes);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "", "x", "-1", "+1", "1.5", "1 k", "k", ".", "1..5k", "1kk", "1Z", "0xg", "0x", "0x-1"
      })
  void nonsense(String text) {
    assertThat(ByteSize.parse(text)).isEqualTo(ByteSize.NOT_A_SIZE);
  }

  @ParameterizedTest
  @ValueSource(strings = {"8E", "9223372036854775808", "0x8000000000000000", "99999999999E"})
  void tooLarge(String text) {
    assertThat(ByteSize.parse(text)).isEqualTo(ByteSize.TOO_LARGE);
  }
}
