package org.qcowfs.engine.qcow2.mapping;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.PosixHostFile;
import org.qcowfs.engine.qcow2.Qcow2Opener;
import org.qcowfs.engine.qcow2.cache.MetadataCache;
import org.qcowfs.engine.testing.ImageBuilder;

final class MetadataGuardTest {
  private static final long K4 = 4096;

  @TempDir Path folder;

  private long firstOverlap(ImageBuilder builder, long snapshotTable, long host, long length)
      throws ImageException {
    Path path = builder.write(folder.resolve("disk.qcow2"));
    try (PosixHostFile file = PosixHostFile.open(path.toString(), false)) {
      return new MetadataGuard(
              file, Qcow2Opener.readHeader(file), new MetadataCache(1 << 20), snapshotTable)
          .firstOverlap(host, length);
    }
  }

  @Test
  void theHeaderAndTheTablesAreMetadata() throws ImageException {
    ImageBuilder builder = ImageBuilder.v3(12, 1L << 31).putLong(64, 0x9000); // L1: 8 KiB
    builder.putInt(60, 1);
    assertThat(firstOverlap(builder, 0, 0, K4)).isZero();
    assertThat(firstOverlap(builder, 0, K4, K4)).isZero();
    assertThat(firstOverlap(builder, 0, 3 * K4, 1)).isZero();
    assertThat(firstOverlap(builder, 0, 4 * K4 + 4095, 100)).isZero();
    assertThat(firstOverlap(builder, 0, 5 * K4, K4)).isEqualTo(K4);
    assertThat(firstOverlap(builder, 0, 9 * K4, K4)).as("no snapshot table").isEqualTo(K4);
    assertThat(firstOverlap(builder, 50, 9 * K4, K4)).as("snapshot table").isZero();
    assertThat(firstOverlap(builder, 50, 6 * K4, 16 * K4)).isEqualTo(3 * K4);
  }

  @Test
  void farOffsetsDoNotOverflow() throws ImageException {
    ImageBuilder builder = ImageBuilder.v3(21, 1L << 40);
    long highest = 0x00ffffffffe00000L;
    assertThat(firstOverlap(builder, 0, highest, 1L << 30)).isEqualTo(1L << 30);
  }

  /** A block in the stretch it describes, which says that it is used once. */
  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 3, 4, 5, 6})
  void aRefcountBlockThatDescribesItselfIsMetadata(int order) throws ImageException {
    ImageBuilder builder = ImageBuilder.v3(12, 1 << 20).putInt(96, order);
    builder.append(0x11);
    long block = builder.append(0);
    long index = block / K4;
    long bit = index << order;
    switch (order) {
      case 3 -> builder.putByte(block + index, 1);
      case 4 -> builder.putShort(block + index * 2, 1);
      case 5 -> builder.putInt(block + index * 4, 1);
      case 6 -> builder.putLong(block + index * 8, 1);
      default -> builder.putByte(block + bit / 8, 1 << bit % 8);
    }
    builder.putLong(K4, block);
    assertThat(firstOverlap(builder, 0, block, K4)).isZero();
    assertThat(firstOverlap(builder, 0, block - K4, 4 * K4)).isEqualTo(K4);
    assertThat(firstOverlap(builder, 0, block + K4, K4)).isEqualTo(K4);
  }

  @Test
  void aDamagedRefcountTableMakesNoGoodDataUnreadable() throws ImageException {
    ImageBuilder builder = ImageBuilder.v3(12, 1 << 20);
    long data = builder.append(0x11); // says refcount 0x1111 of itself
    builder.putLong(K4, data);
    assertThat(firstOverlap(builder, 0, data, K4)).isEqualTo(K4);
    builder.putLong(K4, data + 100);
    assertThat(firstOverlap(builder, 0, data, K4)).isEqualTo(K4);
    builder.putLong(K4, 1L << 50);
    assertThat(firstOverlap(builder, 0, 1L << 50, K4)).isEqualTo(K4);
  }
}
