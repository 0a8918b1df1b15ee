package org.qcowfs.engine.json;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BackingPathTest {
  @ParameterizedTest
  @CsvSource({
    "a.qcow2, b.qcow2, b.qcow2",
    "dir/a.qcow2, b.qcow2, dir/b.qcow2",
    "dir/a.qcow2, ../b.qcow2, dir/../b.qcow2",
    "/a.qcow2, b.qcow2, /b.qcow2",
    "dir/a.qcow2, /b.qcow2, /b.qcow2"
  })
  void startsAtTheNamingFilesFolder(String image, String name, String expected) {
    assertThat(BackingPath.of(image, name)).isEqualTo(expected);
  }
}
