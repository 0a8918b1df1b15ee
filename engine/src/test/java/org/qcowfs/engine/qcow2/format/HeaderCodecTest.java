package org.qcowfs.engine.qcow2.format;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.qcowfs.engine.testing.ImageBuilder;

/** Headers that qemu-img wrote, field by field; and that no bytes at all make the codec fail. */
final class HeaderCodecTest {
  private static Header golden(String name) throws Exception {
    byte[] bytes = ImageBuilder.golden(name);
    Header header = HeaderCodec.decode(ByteBuffer.wrap(bytes));
    HeaderValidator.validate(name, bytes.length, header);
    return header;
  }

  private static List<Integer> types(Header header) {
    return header.extensions().stream().map(HeaderExtension::type).toList();
  }

  @Test
  void readsVersion2() throws Exception {
    assertThat(golden("v2"))
        .isEqualTo(
            new Header(
                2, 0, 0, 12, 1 << 20, 0, 1, 0x3000, 0x1000, 1, 0, 0, 0, 0, 0, 4, 72, 0, List.of(),
                null, null));
  }

  @Test
  void readsVersion3() throws Exception {
    Header header = golden("v3");
    assertThat(header)
        .isEqualTo(
            new Header(
                3,
                0,
                0,
                12,
                1 << 20,
                0,
                1,
                0x3000,
                0x1000,
                1,
                0,
                0,
                0,
                0,
                0,
                4,
                112,
                0,
                header.extensions(),
                null,
                null));
    assertThat(header.lazyRefcounts()).isFalse();
  }

  @Test
  void readsBackingFileLazyRefcountsAndNarrowRefcounts() throws Exception {
    Header header = golden("backed");
    assertThat(header.size()).isEqualTo(1000448);
    assertThat(header.backingName()).isEqualTo("base.raw");
    assertThat(header.extensionText(HeaderExtension.BACKING_FORMAT)).isEqualTo("raw");
    assertThat(header.lazyRefcounts()).isTrue();
    assertThat(header.refcountOrder()).isZero();
    assertThat(types(header)).contains(HeaderExtension.BACKING_FORMAT);
  }

  @Test
  void readsExtendedL2() throws Exception {
    Header header = golden("extl2");
    assertThat(header.has(IncompatibleFeature.EXTENDED_L2)).isTrue();
    assertThat(Geometry.of(header)).isEqualTo(new Geometry(14, true));
  }

  @Test
  void readsZstd() throws Exception {
    Header header = golden("zstd");
    assertThat(header.compressionType()).isEqualTo(1);
    assertThat(header.has(IncompatibleFeature.COMPRESSION_TYPE)).isTrue();
  }

  @Test
  void readsExternalDataFile() throws Exception {
    Header header = golden("datafile");
    assertThat(header.has(IncompatibleFeature.EXTERNAL_DATA_FILE)).isTrue();
    assertThat(header.dataFileRaw()).isTrue();
    assertThat(header.extensionText(HeaderExtension.DATA_FILE)).isEqualTo("ext.raw");
  }

  @Test
  void readsBitmapsExtension() throws Exception {
    Header header = golden("bitmaps");
    assertThat(header.bitmapsConsistent()).isTrue();
    assertThat(header.extension(HeaderExtension.BITMAPS)).hasSize(24);
  }

  @Test
  void readsSnapshotTablePlace() throws Exception {
    Header header = golden("snapshots");
    assertThat(header.snapshotCount()).isEqualTo(2);
    assertThat(header.snapshotTableOffset()).isPositive();
  }

  @Test
  void keepsUnknownExtensionsInOrderAndStopsAtTheEnd() {
    ImageBuilder image =
        ImageBuilder.v3(12, 4096)
            .extension(0x11, new byte[] {1, 2, 3})
            .extension(0x22, new byte[0])
            .extension(0x11, new byte[] {9})
            .extension(HeaderExtension.END, new byte[0])
            .extension(0x33, new byte[] {4});
    Header header = HeaderCodec.decode(ByteBuffer.wrap(image.bytes()));
    assertThat(types(header)).containsExactly(0x11, 0x22, 0x11);
    assertThat(header.extension(0x11)).as("the last, as for QEMU").containsExactly(9);
    assertThat(header.extension(0x33)).isNull();
  }

  @Test
  void readsExtensionsThatFillTheClusterWithoutAnEnd() {
    ImageBuilder image = ImageBuilder.v3(9, 512).extension(0x44, new byte[512 - 120]);
    Header header = HeaderCodec.decode(ByteBuffer.wrap(image.bytes()));
    assertThat(header.extensionFault()).isNull();
    assertThat(header.extension(0x44)).hasSize(392);
  }

  @Test
  void takesFileOffsetsOfEveryValueWithoutFailing() {
    Random random = new Random(4711);
    byte[] sound = ImageBuilder.v3(9, 1 << 20).backing("base", "raw").bytes();
    long[] edges = {
      0, 1, 8, 104, 511, 512, 0x7fffffff, 0xffffffffL, Long.MAX_VALUE, Long.MIN_VALUE, -1
    };
    for (int round = 0; round < 20_000; round++) {
      ByteBuffer bytes = ByteBuffer.wrap(sound.clone());
      for (int change = 0; change < 3; change++) {
        long value = edges[random.nextInt(edges.length)];
        if (random.nextBoolean()) {
          bytes.putLong(random.nextInt(60) * 8, value);
        } else {
          bytes.putInt(random.nextInt(120) * 4, (int) value);
        }
      }
      bytes.limit(random.nextBoolean() ? 512 : 72 + random.nextInt(440));
      Header header = HeaderCodec.decode(bytes);
      try {
        HeaderValidator.validate("x", 1 << 20, header);
        assertThat(header.version()).as("round %d", round).isBetween(2, 3);
      } catch (org.qcowfs.engine.error.ImageException refused) {
        assertThat(refused.detail()).as("round %d", round).isNotEmpty().doesNotContain("\n");
      }
    }
  }
}
