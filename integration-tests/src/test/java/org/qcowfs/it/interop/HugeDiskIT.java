package org.qcowfs.it.interop;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.it.corpus.Corpus;
import org.qcowfs.it.corpus.Kitchen;
import org.qcowfs.it.support.HoleMap;
import org.qcowfs.it.support.HoleMap.Stretch;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.TempImages;

/**
 * One EiB of disk in a small file: the cost of opening and of a walk follows what is allocated.
 * ({@code qemu-img map} of it takes minutes, so the truth here is what was written.)
 */
@Timeout(120)
class HugeDiskIT {
  private static final long SIZE = 1L << 60;
  private static final long CLUSTER = 2 * Kitchen.MIB;
  private static final long MIDDLE = SIZE / 2 + 2 * Kitchen.MIB;

  private final TempImages scratch = TempImages.create("huge");
  private final Path image = scratch.path("disk.qcow2");

  HugeDiskIT() throws IOException {
    QemuImg.create(image, SIZE, "cluster_size=2M");
    QemuIo.on(image)
        .write(1, 0, 4096)
        .write(2, MIDDLE, 65536)
        .zero(SIZE / 4, 4 * Kitchen.MIB)
        .write(3, SIZE - 4096, 4096)
        .run();
    Corpus.settle(scratch.folder());
  }

  @AfterEach
  void clean() {
    scratch.close();
  }

  /** The allocated clusters; how much of each is data is the host's to say. */
  private static final List<Stretch> CLUSTERS =
      List.of(
          new Stretch(0, CLUSTER),
          new Stretch(MIDDLE, MIDDLE + CLUSTER),
          new Stretch(SIZE - CLUSTER, SIZE));

  private static void assertWalk(HoleMap walked) {
    assertThat(walked.size()).isEqualTo(SIZE);
    HoleMap.Builder clusters = new HoleMap.Builder();
    for (Stretch data : walked.data()) {
      clusters.add(data.start() & -CLUSTER, (data.end() + CLUSTER - 1) & -CLUSTER);
    }
    assertThat(clusters.build(SIZE).data()).isEqualTo(CLUSTERS);
  }

  @Test
  void theEngineWalksAndReadsItAtOnce() throws Exception {
    ThreadMXBean threads = ManagementFactory.getThreadMXBean();
    long start = threads.getCurrentThreadCpuTime();
    try (Image opened = Images.open(image.toString(), OpenOptions.readOnly())) {
      assertThat(opened.size()).isEqualTo(SIZE);
      HoleMap walked = HoleMap.ofImage(opened);
      assertWalk(walked);
      assertThat(opened.allocatedBytes()).isEqualTo(walked.dataBytes());
    }
    assertThat(Duration.ofNanos(threads.getCurrentThreadCpuTime() - start))
        .as("CPU time")
        .isLessThan(Duration.ofSeconds(2));
  }

  @Test
  void theMountIsUpAtOnceAndItsWalkIsQuick() throws Exception {
    try (Mounted mounted = Mounted.mountWithHeap("-Xmx64m", image, scratch.makeFolder("mnt"))) {
      Duration up = mounted.cpuTime();
      assertThat(up).as("CPU time of a mount that answers").isLessThan(Duration.ofSeconds(5));
      HoleMap walked = HoleMap.ofFile(mounted.disk());
      assertThat(mounted.cpuTime().minus(up))
          .as("CPU time of the walk")
          .isLessThan(Duration.ofSeconds(2));
      assertWalk(walked);
      assertThat(byteAt(mounted.disk(), MIDDLE)).isEqualTo((byte) 2);
      assertThat(byteAt(mounted.disk(), SIZE - 1)).isEqualTo((byte) 3);
      assertThat(byteAt(mounted.disk(), SIZE / 4)).isEqualTo((byte) 0);
      assertThat(Compare.allocatedBytes(mounted.disk())).isEqualTo(walked.dataBytes());
      assertThat(byteAt(mounted.disk(), SIZE / 2 - 1)).isEqualTo((byte) 0);
    }
  }

  private static byte byteAt(Path file, long offset) throws IOException {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      ByteBuffer one = ByteBuffer.allocate(1);
      assertThat(channel.read(one, offset)).isEqualTo(1);
      return one.get(0);
    }
  }
}
