package org.qcowfs.engine.qcow2.compress;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.layer.Compressor;

/** Both ways to make a deflate stream keep to the window of 4 KiB, and read back. */
class DeflateCompressorTest {
  private static final int CLUSTER = 1 << 16;

  static Stream<Compressor> compressors() {
    return Stream.of(DeflateCompressor.open(), DeflateCompressor.withoutLibrary());
  }

  /** A cluster of random bytes that come again after {@code period}. */
  private static DataBuffer periodic(int period) {
    DataBuffer data = DataBuffer.allocate(CLUSTER);
    byte[] noise = new byte[period];
    new Random(period).nextBytes(noise);
    for (int at = 0; at < CLUSTER; at += period) {
      data.bytes().put(at, noise, 0, Math.min(period, CLUSTER - at));
    }
    return data;
  }

  @ParameterizedTest
  @MethodSource("compressors")
  void whatComesAgainSoonIsCompressedAndReadsBack(Compressor compressor) {
    try (compressor) {
      DataBuffer data = periodic(1000);
      DataBuffer packed = DataBuffer.allocate(2 * CLUSTER);
      int bytes = compressor.compress(data, 0, CLUSTER, packed, 0, CLUSTER - 1);
      assertThat(bytes).isBetween(1, CLUSTER / 3);
      DataBuffer plain = DataBuffer.allocate(CLUSTER);
      assertThat(new DeflateDecompressor().decompress(packed, bytes, plain, CLUSTER)).isNull();
      assertThat(plain.bytes()).isEqualTo(data.bytes());
    }
  }

  @ParameterizedTest
  @MethodSource("compressors")
  void nothingRefersFurtherBackThanTheWindow(Compressor compressor) {
    try (compressor) {
      DataBuffer packed = DataBuffer.allocate(2 * CLUSTER);
      assertThat(compressor.compress(periodic(8192), 0, CLUSTER, packed, 0, CLUSTER - 1))
          .isEqualTo(-1);
    }
  }
}
