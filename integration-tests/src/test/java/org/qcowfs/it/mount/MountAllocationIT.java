package org.qcowfs.it.mount;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.fuse.ImageMount;
import org.qcowfs.fuse.MountOptions;
import org.qcowfs.fuse.tree.WritePolicy;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/**
 * The mount is served by this JVM, and read by other processes, so that its threads can be seen.
 */
class MountAllocationIT {
  private static final int SMALL_READS = 20_000;

  /** More than there are workers in a quiet mount. */
  private static final int ROUNDS = 4;

  private static long allocatedBy(List<Thread> threads) {
    ThreadMXBean threadBean = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long sum = 0;
    for (Thread thread : threads) {
      sum += threadBean.getThreadAllocatedBytes(thread.getId());
    }
    return sum;
  }

  /**
   * What the workers allocate for some work at least: of several times the least, because a worker
   * allocates once for its first request of a kind, and which worker answers is chance. What each
   * request allocates, each time shows. A time in which a worker came or went does not count.
   */
  private static long allocated(ImageMount mount, Runnable work) {
    long least = Long.MAX_VALUE;
    int rounds = 0;
    for (int i = 0; rounds < ROUNDS; i++) {
      assertThat(i).as("times of which %d count", rounds).isLessThan(10 * ROUNDS);
      List<Thread> workers = mount.workers();
      long before = allocatedBy(workers);
      work.run();
      if (mount.workers().equals(workers)) {
        least = Math.min(least, allocatedBy(workers) - before);
        rounds++;
      }
    }
    return least;
  }

  /** One dd: an open, 20,000 reads past the page cache, a close. */
  private static void readDirectly(Path disk, int blocks) {
    Run.ok(
        "dd",
        "if=" + disk,
        "of=/dev/null",
        "bs=4k",
        "count=" + blocks,
        "iflag=direct",
        "status=none");
  }

  private static void seekThrough(Path disk) {
    Run.ok("xfs_io", "-r", "-c", "seek -a -r 0", disk.toString());
  }

  @Test
  void aReadAndASeekAllocateNothing() throws Exception {
    Requires.fuse();
    Requires.tools("qemu-img", "qemu-io", "xfs_io", "dd");
    try (TempImages temp = TempImages.create("allocation")) {
      Path file = temp.path("disk.qcow2");
      Run.ok("qemu-img", "create", "-q", "-f", "qcow2", file.toString(), "1G");
      StringBuilder writes = new StringBuilder();
      for (int i = 0; i < 1000; i++) {
        writes.append("write -q -P 7 ").append(i * 128).append("k 64k\n");
      }
      Run.run(
              Run.PATIENCE,
              List.of("qemu-io", file.toString()),
              temp.folder(),
              java.util.Map.of(),
              writes + "q\n")
          .orFail();
      Path point = temp.makeFolder("mnt");
      try (Image image = Images.open(file.toString(), OpenOptions.readOnly())) {
        ImageMount mount =
            ImageMount.start(
                image,
                new MountOptions(point, file.toString(), null, List.of()),
                System.err::println);
        try {
          Path disk = point.resolve("disk.raw");
          // Warm: classes, the metadata cache, compiled code, the thread-local mapping.
          readDirectly(disk, SMALL_READS);
          seekThrough(disk);

          long fewReads =
              allocated(
                  mount,
                  () -> {
                    readDirectly(disk, 10);
                    seekThrough(disk);
                  });
          long manyReads =
              allocated(
                  mount,
                  () -> {
                    readDirectly(disk, SMALL_READS);
                    seekThrough(disk);
                  });

          // Opening and closing allocate; reads and seeks add nothing to it. A request that
          // allocated one object would show at least 16 bytes * 20,000 here.
          assertThat(manyReads - fewReads)
              .as("bytes for %d further reads (with few: %d)", SMALL_READS, fewReads)
              .isLessThan(SMALL_READS);

          long oneOpen = allocated(mount, () -> seekThrough(disk));
          assertThat(oneOpen).as("bytes for 2,000 seeks and one open and close").isLessThan(32_000);
        } finally {
          mount.unmount();
          mount.await();
        }
      }
    }
  }

  private static void writeDirectly(Path disk, int blocks) {
    Run.ok(
        "dd",
        "if=/dev/zero",
        "of=" + disk,
        "bs=4k",
        "count=" + blocks,
        "oflag=direct",
        "conv=notrunc",
        "status=none");
  }

  @Test
  void aWriteInPlaceAllocatesNothing() throws Exception {
    Requires.fuse();
    Requires.tools("qemu-img", "qemu-io", "dd");
    try (TempImages temp = TempImages.create("allocation")) {
      Path file = temp.path("disk.qcow2");
      Run.ok("qemu-img", "create", "-q", "-f", "qcow2", file.toString(), "128M");
      Run.ok("qemu-io", "-c", "write -q 0 128M", file.toString());
      Path point = temp.makeFolder("mnt");
      OpenOptions writable = OpenOptions.readOnly().withWritable(true);
      try (Image image = Images.open(file.toString(), writable)) {
        ImageMount mount =
            ImageMount.start(
                image,
                new MountOptions(point, file.toString(), WritePolicy.DEFAULT, List.of()),
                System.err::println);
        try {
          Path disk = point.resolve("disk.raw");
          writeDirectly(disk, SMALL_READS);

          long fewWrites = allocated(mount, () -> writeDirectly(disk, 10));
          long manyWrites = allocated(mount, () -> writeDirectly(disk, SMALL_READS));

          // As for reads: one object per request would show at least 16 bytes * 20,000.
          assertThat(manyWrites - fewWrites)
              .as("bytes for %d further writes (with few: %d)", SMALL_READS, fewWrites)
              .isLessThan(SMALL_READS);
        } finally {
          mount.unmount();
          mount.await();
        }
      }
    }
  }
}
