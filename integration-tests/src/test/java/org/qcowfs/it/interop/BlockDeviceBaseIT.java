package org.qcowfs.it.interop;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.it.corpus.Kitchen;
import org.qcowfs.it.corpus.Scatter;
import org.qcowfs.it.support.LoopDevice;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.Sha256;
import org.qcowfs.it.support.TempImages;

/** A block device below an overlay, raw or with a qcow2 image on it, and as the image itself. */
class BlockDeviceBaseIT {
  private static final long SIZE = 6 * Kitchen.MIB;

  @Test
  void overlayOverARawDevice() throws Exception {
    try (TempImages scratch = TempImages.create("block");
        LoopDevice base = LoopDevice.attach(base(scratch))) {
      Path disk = scratch.path("disk.qcow2");
      QemuImg.createOverlay(disk, base.device().toString(), "raw", SIZE + 512);
      Scatter.on(disk, 2, SIZE, 512).writes(20, 100).zeroes(10, 100).run();
      assertSameBytes(scratch, disk, "qcow2");
    }
  }

  @Test
  void overlayOverAQcow2OnADevice() throws Exception {
    try (TempImages scratch = TempImages.create("block")) {
      Path below = scratch.path("below.qcow2");
      QemuImg.run(
          "convert", "-f", "raw", "-O", "qcow2", base(scratch).toString(), below.toString());
      try (LoopDevice base = LoopDevice.attach(below)) {
        Path disk = scratch.path("disk.qcow2");
        QemuImg.createOverlay(disk, base.device().toString(), "qcow2", SIZE);
        Scatter.on(disk, 3, SIZE, 512).writes(20, 100).run();
        assertSameBytes(scratch, disk, "qcow2");
        assertSameBytes(scratch, base.device(), "qcow2");
      }
    }
  }

  @Test
  void rawDeviceByItself() throws Exception {
    try (TempImages scratch = TempImages.create("block");
        LoopDevice base = LoopDevice.attach(base(scratch))) {
      assertSameBytes(scratch, base.device(), "raw");
    }
  }

  /** A device makes zeroes of whole sectors; the rest of a range is zeroed all the same. */
  @ParameterizedTest
  @ValueSource(ints = {512, 4096})
  void zeroesOnARawDeviceAtEveryAlignment(int sector) throws Exception {
    try (TempImages scratch = TempImages.create("block")) {
      byte[] expected = new byte[1 << 20];
      Arrays.fill(expected, (byte) 0x5a);
      Path file = Files.write(scratch.path("disk.raw"), expected);
      try (LoopDevice device = LoopDevice.attach(file, "--sector-size", "" + sector);
          Image image =
              Images.open(
                  device.device().toString(),
                  OpenOptions.readOnly().withFormat("raw").withWritable(true))) {
        image.allocate(0, expected.length);
        int[][] ranges = {{1, 1000}, {8192, 8192}, {20000, 1}, {32768 - 100, 200}, {65000, 70001}};
        for (int i = 0; i < ranges.length * 2; i++) {
          int[] range = ranges[i / 2];
          int from = range[0] + i % 2 * (1 << 19);
          image.zero(from, range[1], i % 2 == 0);
          Arrays.fill(expected, from, from + range[1], (byte) 0);
        }
        image.flush();
        assertThat(Files.readAllBytes(device.device())).isEqualTo(expected);
      }
      assertThat(Files.readAllBytes(file)).isEqualTo(expected);
    }
  }

  private static Path base(TempImages scratch) {
    return Kitchen.in(scratch.folder(), scratch.path("sources")).rawFile("base.raw", SIZE, 1);
  }

  private static void assertSameBytes(TempImages scratch, Path disk, String format)
      throws Exception {
    Path raw = scratch.path("raw-" + disk.getFileName());
    QemuImg.toRaw(disk, format, raw);
    OpenOptions options = OpenOptions.readOnly().withFormat(format);
    try (Image image = Images.open(disk.toString(), options)) {
      assertThat(image.size()).isEqualTo(raw.toFile().length());
      assertThat(Sha256.ofImage(image, Sha256.whole(image.size()))).isEqualTo(Sha256.ofFile(raw));
    }
  }
}
