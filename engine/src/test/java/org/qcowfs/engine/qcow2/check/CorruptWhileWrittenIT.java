package org.qcowfs.engine.qcow2.check;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.testing.ImageBuilder;

/** A disk that is open for writing meets an entry that must not be written through. */
final class CorruptWhileWrittenIT {
  private static final int CLUSTER = 65536;

  @TempDir Path folder;

  @Test
  void theImageIsMarkedAndReadOnlyFromThenOn() throws IOException {
    Path image = image(3);
    long size = Files.size(image);
    try (Image disk = Images.open(image.toString(), writable())) {
      write(disk, 7, 9);
      assertThatThrownBy(() -> write(disk, 1, 4))
          .isInstanceOf(ImageException.class)
          .hasMessageContaining("not writable; repair the image");
      assertThatThrownBy(() -> write(disk, 8, 4))
          .isInstanceOfSatisfying(
              ImageException.class, e -> assertThat(e.kind()).isEqualTo(ErrorKind.FAILED))
          .hasMessageContaining("the image is corrupt and takes no more writes");
      assertThat(first(disk, 0)).isEqualTo((byte) 3);
      assertThat(first(disk, 7)).isEqualTo((byte) 9);
      assertThatThrownBy(disk::flush).hasMessageContaining("the image is corrupt");
    } catch (ImageException e) {
      assertThat(e.kind()).isEqualTo(ErrorKind.FAILED); // of close
    }
    assertThat(feature(image)).isEqualTo(2);
    assertThat(Files.size(image)).isGreaterThanOrEqualTo(size);
    try (Image disk = Images.open(image.toString(), OpenOptions.readOnly())) {
      assertThat(first(disk, 7)).as("written before").isEqualTo((byte) 9);
    }
    assertThatThrownBy(() -> Images.open(image.toString(), writable()))
        .hasMessageContaining("Image is corrupt; cannot be opened read/write");
  }

  @Test
  void version2HasNoMark() throws IOException {
    Path image = image(2);
    byte[] extensions = java.util.Arrays.copyOfRange(Files.readAllBytes(image), 72, 104);
    Image disk = Images.open(image.toString(), writable());
    assertThatThrownBy(() -> write(disk, 1, 4)).hasMessageContaining("not writable");
    assertThatThrownBy(() -> write(disk, 8, 4)).hasMessageContaining("the image is corrupt");
    assertThatThrownBy(disk::close).isInstanceOf(ImageException.class);
    assertThat(java.util.Arrays.copyOfRange(Files.readAllBytes(image), 72, 104))
        .isEqualTo(extensions);
  }

  /** Guest cluster 0 is data, cluster 1 names a host offset that is not on a cluster boundary. */
  private Path image(int version) throws IOException {
    ImageBuilder builder =
        version == 2 ? ImageBuilder.v2(16, 1 << 20) : ImageBuilder.v3(16, 1 << 20);
    builder.data(0, 3);
    builder.l2(1, 1L << 63 | builder.end() - CLUSTER + 512);
    for (int cluster = 0; cluster < builder.end() / CLUSTER; cluster++) {
      builder.putShort(2L * CLUSTER + cluster * 2L, 1);
    }
    return builder.write(folder.resolve("disk" + version + ".qcow2"));
  }

  private static OpenOptions writable() {
    return OpenOptions.readOnly().withFormat("qcow2").withWritable(true);
  }

  private static void write(Image disk, int cluster, int fill) throws ImageException {
    DataBuffer data = DataBuffer.allocate(CLUSTER);
    for (int i = 0; i < CLUSTER; i++) {
      data.bytes().put(i, (byte) fill);
    }
    disk.write((long) cluster * CLUSTER, data, 0, CLUSTER);
  }

  private static byte first(Image disk, int cluster) throws ImageException {
    DataBuffer data = DataBuffer.allocate(512);
    disk.read((long) cluster * CLUSTER, data, 0, 512);
    return data.bytes().get(0);
  }

  private static int feature(Path image) throws IOException {
    try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "r")) {
      file.seek(79);
      return file.read();
    }
  }
}
