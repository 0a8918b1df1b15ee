package org.qcowfs.it.write;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.Sha256;
import org.qcowfs.it.support.TempImages;

/** The exerciser at work on a writable mount; what it leaves is sound to QEMU. */
class ExerciserIT {
  private static final int SIZE = 16 << 20;

  @ParameterizedTest
  @CsvSource({
    "cluster_size=64k, writeback, 1",
    "'extended_l2=on,cluster_size=128k', writeback, 2",
    "cluster_size=4k, writethrough, 3",
    "'cluster_size=64k,refcount_bits=1', none, 4"
  })
  void everyWayToReachAFileAgreesWithAByteArray(String options, String cache, int seed)
      throws Exception {
    Requires.tools("qemu-img", "qemu-io");
    try (TempImages temp = TempImages.create("exerciser")) {
      Path base = temp.path("base.qcow2");
      QemuImg.create(base, SIZE, "cluster_size=32k");
      QemuIo.on(base).write(17, 0, 9 << 20).write(34, 11 << 20, 3 << 20).run();
      Path image = temp.path("disk.qcow2");
      QemuImg.createOverlay(image, "base.qcow2", "qcow2", options.split(","));
      String sum;
      try (Mounted mounted =
          Mounted.mount(image, temp.makeFolder("mnt"), "--rw", "--cache=" + cache)) {
        exercise(mounted.disk(), 8000, seed);
        sum = Sha256.ofFile(mounted.disk());
        mounted.unmount();
      }
      Run.ok("qemu-img", "check", image.toString());
      Path raw = temp.path("disk.raw");
      QemuImg.toRaw(image, "qcow2", raw);
      assertThat(Sha256.ofFile(raw)).isEqualTo(sum);
    }
  }

  /** In a process of its own: a mapping lasts as long as the process, and keeps the mount busy. */
  private static void exercise(Path file, int requests, int seed) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("-ea");
    command.add("-cp");
    command.add(System.getProperty("java.class.path"));
    command.add(Exerciser.class.getName());
    command.add(file.toString());
    command.add(Integer.toString(requests));
    command.add(Integer.toString(seed));
    Run.run(Duration.ofMinutes(5), command).orFail();
  }
}
