package org.qcowfs.engine.qcow2.check;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.model.OpenOptions;

/** An image whose writer died with lazy refcounts is opened for writing. */
final class DirtyImageIT {
  private static final int CLUSTER = 4096;
  private static final int DIRTY = 1;
  private static final int CORRUPT = 2;

  @TempDir Path folder;

  @Test
  void itIsRepairedFirst() throws IOException {
    Path image = dirty();
    assertThat(CheckOracle.ours(image).code()).isEqualTo(2);
    byte[] disk = CheckOracle.salvaged(image, folder);
    List<String> said = new ArrayList<>();
    try (Image open = Images.open(image.toString(), writable().withWarnings(said::add))) {
      DataBuffer data = DataBuffer.allocate(CLUSTER);
      for (int i = 0; i < CLUSTER; i++) {
        data.bytes().put(i, (byte) 7);
      }
      open.write(CLUSTER * 40L, data, 0, CLUSTER);
    }
    assertThat(said)
        .singleElement()
        .asString()
        .startsWith(image + ": was not closed cleanly; repaired (")
        .doesNotContain("(0 corruptions");
    assertThat(features(image) & (DIRTY | CORRUPT)).isZero();
    assertThat(CheckOracle.qemu(image, folder).code()).isZero();
    java.util.Arrays.fill(disk, CLUSTER * 40, CLUSTER * 41, (byte) 7);
    assertThat(CheckOracle.salvaged(image, folder)).isEqualTo(disk);
  }

  @Test
  void itIsNotTouchedForReading() throws IOException {
    Path image = dirty();
    byte[] before = Files.readAllBytes(image);
    Images.open(image.toString(), OpenOptions.readOnly()).close();
    assertThat(Files.readAllBytes(image)).isEqualTo(before);
  }

  @Test
  void whatCannotBeMendedKeepsItFromBeingWritten() throws IOException {
    Path image = dirty();
    long l2;
    try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
      file.seek(40);
      file.seek(file.readLong());
      l2 = file.readLong() & 0xfffffffffffe00L;
      file.seek(l2 + 8 * 100);
      file.writeLong(0x200);
    }
    assertThatThrownBy(() -> Images.open(image.toString(), writable()))
        .isInstanceOf(ImageException.class)
        .hasMessageContaining(
            "was not closed cleanly (dirty bit set) and cannot be repaired: 1 err");
    assertThat(features(image) & DIRTY).isEqualTo(DIRTY);
  }

  @Test
  void itStaysRefusedIfItIsMarkedCorrupt() throws IOException {
    Path image = dirty();
    try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
      file.seek(79);
      file.writeByte(DIRTY | CORRUPT);
    }
    byte[] before = Files.readAllBytes(image);
    assertThatThrownBy(() -> Images.open(image.toString(), writable()))
        .isInstanceOf(ImageException.class)
        .hasMessageContaining("Image is corrupt; cannot be opened read/write");
    assertThat(Files.readAllBytes(image)).isEqualTo(before);
  }

  private static OpenOptions writable() {
    return OpenOptions.readOnly().withFormat("qcow2").withWritable(true);
  }

  private static int features(Path image) throws IOException {
    try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "r")) {
      file.seek(79);
      return file.read();
    }
  }

  /** QEMU dies after a flush: the L2 entries are there, the refcounts are not. */
  private Path dirty() throws IOException {
    Path image = folder.resolve("dirty.qcow2");
    CheckSeeds.run(
        "qemu-img",
        "create",
        "-q",
        "-f",
        "qcow2",
        "-o",
        "lazy_refcounts=on,cluster_size=4k",
        image.toString(),
        "1M");
    Process process =
        new ProcessBuilder(
                "qemu-io",
                "-f",
                "qcow2",
                "-c",
                "write -P 5 0 96k",
                "-c",
                "flush",
                "-c",
                "sigraise 9",
                image.toString())
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
    try {
      process.waitFor();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError(e);
    }
    assertThat(features(image) & DIRTY).isEqualTo(DIRTY);
    return image;
  }
}
