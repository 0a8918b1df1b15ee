package org.qcowfs.fuse.tree;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.posix.Errno;

class ErrnoMapperTest {
  @ParameterizedTest
  @EnumSource(ErrorKind.class)
  void everyKindIsAFailure(ErrorKind kind) {
    assertThat(ErrnoMapper.errno(new ImageException(kind, "f", "d"))).isPositive();
  }

  @ParameterizedTest
  @CsvSource({"5,5", "116,116", "9,5", "0,5"})
  void aHostErrorIsAnIoErrorButForStale(int host, int shown) {
    assertThat(ErrnoMapper.errno(new ImageException(ErrorKind.IO, "f", "d", host, null)))
        .isEqualTo(shown);
  }

  @Test
  void damageIsAnIoError() {
    assertThat(ErrnoMapper.errno(ImageException.corrupt("f", "d"))).isEqualTo(Errno.EIO);
  }
}
