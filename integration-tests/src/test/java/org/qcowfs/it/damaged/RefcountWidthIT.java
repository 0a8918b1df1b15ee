package org.qcowfs.it.damaged;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.it.corpus.Patcher;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.TempImages;

/** R32: a refcount that is as high as its width allows is never raised: it would begin at 0. */
class RefcountWidthIT {
  private static final int CLUSTER = 64 << 10;

  private final TempImages scratch = TempImages.create("width");
  private final Path image = scratch.path("disk.qcow2");

  @AfterEach
  void clean() {
    scratch.close();
  }

  /** As many snapshots as fit, and one more. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 4})
  void oneSnapshotTooMany(int bits) throws Exception {
    make(bits);
    int most = (1 << bits) - 2;
    try (Image disk = open()) {
      for (int i = 0; i < most; i++) {
        disk.createSnapshot("s" + i);
      }
      assertThatThrownBy(() -> disk.createSnapshot("last"))
          .isInstanceOf(ImageException.class)
          .hasMessageEndingWith(" is " + (most + 1) + ", the most that " + bits + " bits hold");
      assertThat(disk.snapshots()).hasSize(most);
      writes(disk);
    }
    isSound();
  }

  /** The highest count of 64 bits is negative to Java. */
  @Test
  void theHighestOf64Bits() throws Exception {
    make(64);
    try (Patcher p = Patcher.open(image)) {
      long data = p.u64(p.l2Entry(0)) & ~Patcher.COPIED;
      long block = p.u64(p.header("refcount_table_offset"));
      p.u64(p.l2Entry(0), data);
      p.u64(block + data / CLUSTER * 8, -1);
    }
    try (Image disk = open()) {
      assertThatThrownBy(() -> disk.createSnapshot("one"))
          .isInstanceOf(ImageException.class)
          .hasMessageEndingWith(" is 18446744073709551615, the most that 64 bits hold");
      assertThat(disk.snapshots()).isEmpty();
      writes(disk);
    }
  }

  private void make(int bits) {
    QemuImg.create(image, 1 << 20, "refcount_bits=" + bits);
    QemuIo.on(image).write(3, 0, CLUSTER).run();
  }

  private Image open() throws ImageException {
    return Images.open(image.toString(), OpenOptions.readOnly().withWritable(true));
  }

  private static void writes(Image disk) throws ImageException {
    DataBuffer buffer = DataBuffer.allocate(512);
    buffer.bytes().put(0, (byte) 9);
    disk.write(0, buffer, 0, 512);
    disk.flush();
    disk.read(0, buffer, 0, 512);
    assertThat(buffer.bytes().get(0)).isEqualTo((byte) 9);
    disk.read(512, buffer, 0, 512);
    assertThat(buffer.bytes().get(0)).isEqualTo((byte) 3);
  }

  private void isSound() {
    assertThat(QemuImg.run("check", image.toString()).out())
        .contains("No errors were found on the image.");
  }
}
