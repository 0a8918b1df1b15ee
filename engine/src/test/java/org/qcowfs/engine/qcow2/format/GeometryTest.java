package org.qcowfs.engine.qcow2.format;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class GeometryTest {
  @ParameterizedTest
  @CsvSource({
    // cluster bits, extended, L2 entries (log2), guest bytes per L1 entry (log2)
    "9, false, 6, 15",
    "12, false, 9, 21",
    "16, false, 13, 29",
    "21, false, 18, 39",
    "14, true, 10, 24",
    "16, true, 12, 28",
    "21, true, 17, 38"
  })
  void derivesTheTableShape(int bits, boolean extended, int l2Bits, int l1Shift) {
    Geometry geometry = new Geometry(bits, extended);
    assertThat(geometry.l2Bits()).isEqualTo(l2Bits);
    assertThat(geometry.l1Shift()).isEqualTo(l1Shift);
    assertThat(geometry.l1EntriesFor(0)).isZero();
    assertThat(geometry.l1EntriesFor(1)).isEqualTo(1);
    assertThat(geometry.l1EntriesFor(1L << l1Shift)).isEqualTo(1);
    assertThat(geometry.l1EntriesFor((1L << l1Shift) + 1)).isEqualTo(2);
    assertThat(geometry.l1EntriesFor(Long.MAX_VALUE)).isEqualTo(1L << 63 - l1Shift);
  }

  @Test
  void splitsCompressedDescriptorsAsTheSpecificationSays() {
    // 64 KiB: x = 62 - 8 = 54; offset 0x12345, 3 further sectors.
    Geometry wide = new Geometry(16, false);
    long descriptor = 3L << 54 | 0x12345;
    assertThat(wide.compressedOffset(descriptor)).isEqualTo(0x12345);
    assertThat(wide.compressedBytes(descriptor)).isEqualTo(4 * 512 - 0x145);
    // 512 B: x = 61, one bit of sectors.
    Geometry narrow = new Geometry(9, false);
    assertThat(narrow.compressedBytes(1L << 61 | 511)).isEqualTo(1024 - 511);
    assertThat(narrow.compressedOffset((1L << 61) - 1)).isEqualTo((1L << 61) - 1);
    // 2 MiB: 13 bits of sectors, at most 4 MiB.
    Geometry widest = new Geometry(21, false);
    assertThat(widest.compressedBytes(8191L << 49)).isEqualTo(4 << 20);
    assertThat(widest.compressedOffset(8191L << 49 | 7)).isEqualTo(7);
  }
}
