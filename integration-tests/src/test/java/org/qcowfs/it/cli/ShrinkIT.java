package org.qcowfs.it.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.TempImages;

/** {@code resize --shrink}: what described the part that fell off falls off too. */
class ShrinkIT {
  private static final int CLUSTER = 512;

  @Test
  void noRefcountBlockCountsNothing() throws IOException {
    Requires.tools("qemu-img", "qemu-io");
    try (TempImages temp = TempImages.create("shrink")) {
      Path folder = temp.makeFolder("shrink");
      Path image = folder.resolve("disk.qcow2");
      QemuImg.create(image, 16 << 20, "cluster_size=" + CLUSTER, "refcount_bits=64");
      QemuIo.on(image).write(5, 0, 16 << 20).run();
      assertThat(emptyBlocks(image)).isZero();
      Cli.qcowfs(folder, "resize", "--shrink", "disk.qcow2", "1M").orFail();
      assertThat(emptyBlocks(image)).isZero();
      Cli.qemuImg(folder, "check", "disk.qcow2").orFail();
      QemuIo.on(image).write(6, 0, 1 << 20).run();
      Cli.qcowfs(folder, "resize", "disk.qcow2", "4M").orFail();
      QemuIo.on(image).write(7, 1 << 20, 3 << 20).run();
      Cli.qemuImg(folder, "check", "disk.qcow2").orFail();
    }
  }

  /** Refcount blocks that count no cluster, or only their own. */
  private static int emptyBlocks(Path image) throws IOException {
    ByteBuffer file = ByteBuffer.wrap(Files.readAllBytes(image));
    long table = file.getLong(48);
    int counts = CLUSTER / 8;
    int empty = 0;
    for (int i = 0; i < file.getInt(56) * counts; i++) {
      long block = file.getLong((int) table + i * 8);
      int used = 0;
      for (int c = 0; block != 0 && c < counts; c++) {
        boolean own = (long) (i * counts + c) * CLUSTER == block;
        used += file.getLong((int) block + c * 8) == 0 || own ? 0 : 1;
      }
      empty += block != 0 && used == 0 ? 1 : 0;
    }
    return empty;
  }
}
