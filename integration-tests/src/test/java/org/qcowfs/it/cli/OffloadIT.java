package org.qcowfs.it.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.qcowfs.it.support.LoopDevice;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/** {@code convert -C}: where the host file system can, the images share blocks. */
class OffloadIT {
  private static final int MIB = 1 << 20;

  @ParameterizedTest
  @CsvSource({
    "xfs, mkfs.xfs -q -m reflink=1, true",
    "btrfs, mkfs.btrfs -q, true",
    "ext4, mkfs.ext4 -q, false"
  })
  void sharesWhatTheHostCanShare(String name, String make, boolean shares) throws IOException {
    Requires.tools("mkfs.xfs", "mkfs.btrfs", "mkfs.ext4", "filefrag", "qemu-img", "qemu-io");
    try (TempImages scratch = TempImages.create("offload-" + name)) {
      Path file = scratch.path("disk");
      try (RandomAccessFile disk = new RandomAccessFile(file.toFile(), "rw")) {
        disk.setLength(400L * MIB);
      }
      Run.run(Run.PATIENCE, List.of((make + " " + file).split(" "))).orFail();
      Path point = scratch.makeFolder("point");
      try (LoopDevice loop = LoopDevice.attach(file)) {
        Run.ok("mount", loop.device().toString(), point.toString());
        try {
          convertAll(point, scratch.folder(), shares);
        } finally {
          Run.ok("umount", point.toString());
        }
      }
    }
  }

  private static void convertAll(Path point, Path elsewhere, boolean shares) throws IOException {
    Path raw = point.resolve("disk.raw");
    makeDisk(raw);
    for (String options :
        List.of(
            "-O raw",
            "-O qcow2",
            "-O qcow2 -W -o cluster_size=4k",
            "-O qcow2 -o cluster_size=2M,extended_l2=on")) {
      shared(raw, options, point, shares);
    }
    Path image = point.resolve("disk.qcow2");
    QemuImg.run("convert", "-f", "raw", "-O", "qcow2", raw.toString(), image.toString());
    Path overlay = point.resolve("overlay.qcow2");
    QemuImg.createOverlay(overlay, "disk.qcow2", "qcow2", 40L * MIB);
    QemuIo.on(overlay).write(3, 7 * MIB + 512, 2 * MIB).zero(12 * MIB, MIB).run();
    shared(overlay, "-O qcow2", point, shares);
    shared(overlay, "-O qcow2 -B disk.qcow2 -F qcow2", point, false);
    // From another file system there is nothing to share.
    Path copy = Files.copy(raw, elsewhere.resolve("copy.raw"));
    shared(copy, "-O qcow2", point, false);
  }

  /** 40 MiB, of them 12 of data, with parts that are not aligned to clusters. */
  private static void makeDisk(Path raw) throws IOException {
    byte[] noise = new byte[4 * MIB];
    new Random(3).nextBytes(noise);
    try (RandomAccessFile disk = new RandomAccessFile(raw.toFile(), "rw")) {
      disk.setLength(40L * MIB - 1536);
      disk.seek(5 * MIB);
      disk.write(noise);
      disk.write(noise);
      disk.seek(20 * MIB + 12288);
      disk.write(noise, 0, 3 * MIB + 4096);
      disk.seek(30 * MIB + 4096);
      disk.write(noise, 0, 8192);
      disk.seek(40L * MIB - 5000);
      disk.write(noise, 0, 3000);
    }
    Run.ok("sync", raw.toString());
  }

  private static void shared(Path source, String options, Path folder, boolean shares)
      throws IOException {
    Path target = folder.resolve("target");
    Files.deleteIfExists(target);
    String line = "convert -C " + options + " " + source + " " + target;
    Run.Result result = Cli.qcowfs(folder, line.split(" "));
    assertThat(result.err()).as(line).isEmpty();
    assertThat(result.exitCode()).as(line).isZero();
    Run.ok("qemu-img", "compare", "-q", source.toString(), target.toString());
    if (options.startsWith("-O qcow2")) {
      Run.ok("qemu-img", "check", "-q", target.toString());
    }
    Run.ok("sync", target.toString());
    String extents = Run.ok("filefrag", "-v", target.toString()).out();
    if (shares) {
      assertThat(extents).as(line).contains("shared");
    }
    if (!source.startsWith(folder)) {
      assertThat(extents).as(line).doesNotContain("shared");
    }
  }
}
