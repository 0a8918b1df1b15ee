package org.qcowfs.it.realdisk;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.LoopDevice;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/**
 * The disk of an operating system (this machine's own programs and settings in ext4, in a GPT) goes
 * through three overlays and two snapshots with files changed in between, and is mounted by the
 * command of the README. A loop mount of each snapshot, of each layer and of the disk as it is
 * shows every file as it was then.
 */
@Timeout(600)
class OsDiskIT {
  private static final long SIZE = 640L << 20;

  /** Where the second partition begins. */
  private static final long PARTITION = 34816L * 512;

  private final List<Map<String, String>> states = new ArrayList<>();

  @Test
  void everyFileIsWhatItWasAtEachSnapshot() throws Exception {
    Requires.root();
    Requires.tools("sgdisk", "mke2fs", "losetup", "tar", "e2fsck");
    try (TempImages scratch = TempImages.create("osdisk")) {
      Path raw = makeDisk(scratch);
      states.add(files(scratch, raw));
      Path base = scratch.path("base.qcow2");
      QemuImg.run(
          "convert",
          "-f",
          "raw",
          "-O",
          "qcow2",
          "-c",
          "-o",
          "compression_type=zstd",
          raw.toString(),
          base.toString());
      String below = "base.qcow2";
      for (int layer = 1; layer <= 3; layer++) {
        String name = "overlay-" + layer + ".qcow2";
        String[] options = layer == 2 ? new String[] {"extended_l2=on"} : new String[0];
        QemuImg.createOverlay(scratch.path(name), below, "qcow2", options);
        change(scratch, raw, scratch.path(name), layer);
        below = name;
      }
      Path top = scratch.path(below);
      QemuImg.snapshot(top, "before the update");
      change(scratch, raw, top, 4);
      QemuImg.snapshot(top, "after the update");
      change(scratch, raw, top, 5);

      Path point = scratch.makeFolder("mnt");
      CliRun.launcher("mount", top.toString(), point.toString()).orFail();
      try {
        compareAll(scratch, point);
      } finally {
        Run.Result unmounted = CliRun.launcher("umount", point.toString());
        assertThat(unmounted.exitCode()).as(unmounted.toString()).isZero();
      }
      assertThat(Mounted.isMountPoint(point)).isFalse();
    }
  }

  private void compareAll(TempImages scratch, Path point) throws IOException {
    Path snapshots = point.resolve("snapshots");
    assertFiles(scratch, point.resolve("disk.raw"), 5);
    assertFiles(scratch, snapshots.resolve("after the update/disk.raw"), 4);
    assertFiles(scratch, snapshots.resolve("before the update/disk.raw"), 3);
    try (Stream<Path> layers = Files.list(point.resolve("layers"))) {
      List<Path> sorted = layers.sorted().toList();
      assertThat(sorted).hasSize(4);
      assertFiles(scratch, sorted.get(0).resolve("disk.raw"), 5);
      assertFiles(scratch, sorted.get(1).resolve("disk.raw"), 2);
      assertFiles(scratch, sorted.get(2).resolve("disk.raw"), 1);
      assertFiles(scratch, sorted.get(3).resolve("disk.raw"), 0);
    }
  }

  private void assertFiles(TempImages scratch, Path disk, int state) {
    assertThat(files(scratch, disk)).as("files of %s", disk).isEqualTo(states.get(state));
  }

  /** Lists every file of the disk's second partition through a read-only loop mount. */
  private static Map<String, String> files(TempImages scratch, Path disk) {
    try (Ext4 mounted = Ext4.mount(disk, scratch.makeFolder("fs"), false)) {
      return FileTree.of(mounted.folder());
    }
  }

  /** The second partition of a disk, mounted until close. */
  private record Ext4(LoopDevice loop, Path folder) implements AutoCloseable {
    static Ext4 mount(Path disk, Path folder, boolean writable) {
      // By its offset: the partitions' own nodes (losetup -P) appear only where udev runs.
      String offset = Long.toString(PARTITION);
      LoopDevice loop =
          writable
              ? LoopDevice.attach(disk, "-o", offset)
              : LoopDevice.attach(disk, "-r", "-o", offset);
      try {
        String options = writable ? "rw" : "ro,noload";
        Run.ok("mount", "-t", "ext4", "-o", options, loop.device().toString(), folder.toString());
        return new Ext4(loop, folder);
      } catch (AssertionError e) {
        loop.close();
        throw e;
      }
    }

    @Override
    public void close() {
      Run.ok("umount", folder.toString());
      loop.close();
    }
  }

  /** GPT, a first partition of 16 MiB, and ext4 with this machine's programs and settings. */
  private static Path makeDisk(TempImages scratch) {
    Path tree = scratch.makeFolder("tree");
    Path archive = scratch.path("tree.tar");
    // 1: a file changed meanwhile. Any state of it will do.
    Run.ok(
        "sh",
        "-c",
        "\"$@\" || [ $? = 1 ]",
        "sh",
        "tar",
        "-C",
        "/",
        "--ignore-failed-read",
        "--warning=none",
        "--one-file-system",
        "--exclude=*shadow*",
        "--exclude=*private*",
        "--exclude=*_key",
        "-cf",
        archive.toString(),
        "etc",
        "usr/sbin",
        "usr/share/zoneinfo",
        "usr/bin");
    Run.ok("tar", "-C", tree.toString(), "-xpf", archive.toString());
    Run.ok("find", tree.toString(), "-type", "f", "-size", "+4M", "-delete");
    archive.toFile().delete();
    Path raw = scratch.path("disk.raw");
    Run.ok("truncate", "-s", Long.toString(SIZE), raw.toString());
    Run.ok(
        "sgdisk",
        "-o",
        "-n",
        "1:2048:+16M",
        "-t",
        "1:ef00",
        "-n",
        "2:34816:0",
        "-t",
        "2:8300",
        raw.toString());
    long blocks = (SIZE - PARTITION - (1 << 20)) / 4096;
    Run.ok(
        "mke2fs",
        "-q",
        "-t",
        "ext4",
        "-b",
        "4096",
        "-E",
        "offset=" + PARTITION,
        "-d",
        tree.toString(),
        raw.toString(),
        Long.toString(blocks));
    TempImages.deleteTree(tree);
    return raw;
  }

  /** Changes files on the raw disk, then writes what changed into {@code image}. */
  private void change(TempImages scratch, Path raw, Path image, int seed) throws IOException {
    Path before = scratch.path("before.raw");
    Run.ok("cp", "--sparse=auto", raw.toString(), before.toString());
    try (Ext4 mounted = Ext4.mount(raw, scratch.makeFolder("fs"), true)) {
      changeFiles(mounted.folder(), new Random(seed), seed);
    }
    RawDiff.apply(before, raw, image);
    Files.delete(before);
    states.add(files(scratch, raw));
    assertThat(states.get(states.size() - 1))
        .as("something changed")
        .isNotEqualTo(states.get(states.size() - 2));
  }

  /** New, grown, overwritten, renamed and deleted files, a sparse one and a symbolic link. */
  private static void changeFiles(Path root, Random random, int seed) throws IOException {
    Path folder = Files.createDirectories(root.resolve("srv/step-" + seed));
    for (int i = 0; i < 40; i++) {
      byte[] bytes = new byte[random.nextInt(100_000)];
      random.nextBytes(bytes);
      Files.write(folder.resolve("new-" + i), bytes);
    }
    try (FileChannel sparse =
        FileChannel.open(
            folder.resolve("sparse"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      sparse.write(ByteBuffer.wrap(new byte[] {1, 2, 3}), 50L << 20);
    }
    Files.createSymbolicLink(folder.resolve("link"), Path.of("../../etc/passwd"));
    List<Path> files;
    try (Stream<Path> walk = Files.walk(root.resolve("usr/bin"))) {
      Predicate<Path> regular = path -> Files.isRegularFile(path) && !Files.isSymbolicLink(path);
      files = walk.filter(regular).sorted().toList();
    }
    for (int i = 0; i < 30; i++) {
      Path file = files.get(random.nextInt(files.size()));
      if (!Files.exists(file)) {
        continue;
      }
      switch (i % 4) {
        case 0 -> Files.delete(file);
        case 1 -> Files.move(file, folder.resolve("moved-" + i), StandardCopyOption.ATOMIC_MOVE);
        case 2 -> Files.write(file, new byte[random.nextInt(70_000)], StandardOpenOption.APPEND);
        default -> {
          try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap("changed".getBytes("US-ASCII")), random.nextInt(5000));
          }
        }
      }
    }
  }
}
