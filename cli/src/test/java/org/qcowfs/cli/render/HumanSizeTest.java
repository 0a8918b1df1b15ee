package org.qcowfs.cli.render;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HumanSizeTest {
  /** Each as qemu-img 7.2 prints it. */
  @ParameterizedTest
  @CsvSource({
    "0, 0 B",
    "512, 512 B",
    "999, 999 B",
    "1000, 0.977 KiB",
    "1024, 1 KiB",
    "1536, 1.5 KiB",
    "200704, 196 KiB",
    "1000448, 977 KiB",
    "1048576, 1 MiB",
    "1073741824, 1 GiB",
    "1610612736, 1.5 GiB",
    "1125899906842624, 1 PiB",
    "9223372036854775807, 8 EiB"
  })
  void threeDigitsAndAUnit(long bytes, String text) {
    assertThat(HumanSize.of(bytes)).isEqualTo(text);
  }
}
