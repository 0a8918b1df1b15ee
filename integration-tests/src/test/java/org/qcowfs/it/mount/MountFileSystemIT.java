package org.qcowfs.it.mount;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.it.support.LoopDevice;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/**
 * Real file systems and real load on a disk that was full of something else before: what a file
 * system believes to be zeroed must be.
 */
class MountFileSystemIT {
  private static final long SIZE = 384 << 20;

  private final TempImages temp = TempImages.create("filesystem");
  private final Path image = temp.path("disk.qcow2");
  private final Path point = temp.makeFolder("mnt");
  private final Path inside = temp.makeFolder("inside");

  @AfterEach
  void cleanUp() {
    for (Path mount : List.of(inside, point)) {
      if (Mounted.isMountPoint(mount)) {
        Run.run(Run.PATIENCE, List.of("umount", "-l", mount.toString()));
      }
    }
    temp.close();
  }

  private void makeDirtyImage(String... options) {
    QemuImg.create(image, SIZE, options);
    QemuIo.on(image).write(0x11, 0, SIZE).run();
  }

  private static Run.Result shell(String script, Object... arguments) {
    return Run.ok("sh", "-ec", String.format(script, arguments));
  }

  @ParameterizedTest
  @CsvSource({
    "ext4,mkfs.ext4 -q -F,e2fsck -fn,writeback",
    "xfs,mkfs.xfs -q -f,xfs_repair -n,writeback",
    "btrfs,mkfs.btrfs -q -f,btrfs check,writeback",
    "ext4,mkfs.ext4 -q -F,e2fsck -fn,none"
  })
  void aFileSystemKeepsItsFiles(String type, String make, String check, String cache) {
    Requires.root();
    Requires.tools(make.split(" ", 2)[0], check.split(" ", 2)[0], "fstrim");
    makeDirtyImage();
    try (Mounted mounted = Mounted.mount(image, point, "--rw", "--cache=" + cache)) {
      shell("%s %s", make, mounted.disk());
      try (LoopDevice loop = LoopDevice.attach(mounted.disk())) {
        shell("mount %s %s", loop.device(), inside);
        shell("cp -a /usr/share/zoneinfo %s/a && cp -a %1$s/a %1$s/b", inside);
        shell("dd if=/dev/urandom of=%s/random bs=1M count=40 status=none", inside);
        shell("cd %s && find a random -type f -print0 | xargs -0 sha256sum > sums", inside);
        shell("rm -rf %s/b && sync && fstrim %1$s && umount %1$s", inside);
        shell("mount %s %s", loop.device(), inside);
        Run.Result sums = shell("cd %s && sha256sum -c --quiet sums", inside);
        assertThat(sums.out()).isEmpty();
        shell("umount %s", inside);
        shell("%s %s", check, loop.device());
      }
      mounted.unmount();
    }
    QemuImg.run("check", image.toString());
    long blocks = Long.parseLong(Run.ok("stat", "-c", "%b", image.toString()).out().strip());
    assertThat(blocks * 512).as("bytes of the trimmed image").isLessThan(SIZE);
  }

  @ParameterizedTest
  @ValueSource(strings = {"cluster_size=64k", "cluster_size=64k,extended_l2=on"})
  void manyJobsVerifyWhatTheyWrote(String options) {
    Requires.tools("fio");
    makeDirtyImage(options.split(","));
    try (Mounted mounted = Mounted.mount(image, point, "--rw")) {
      fio(mounted, "--direct=1 --ioengine=libaio --iodepth=16 --numjobs=4 --bs=4k --size=32M");
      fio(mounted, "--numjobs=4 --bsrange=512-64k --size=32M --fsync=200");
      fio(mounted, "--bs=4k --size=32M --ioengine=mmap");
      mounted.unmount();
    }
    QemuImg.run("check", image.toString());
  }

  private static void fio(Mounted mounted, String how) {
    shell(
        "fio --name=v --filename=%s --rw=randwrite --offset_increment=64M --verify=crc32c"
            + " --verify_fatal=1 --do_verify=1 --verify_state_save=0 %s",
        mounted.disk(), how);
  }

  /** A kill at any moment costs what was not flushed, and leaves leaks at most. */
  @Test
  void killedUnderLoad() throws Exception {
    Requires.tools("fio");
    QemuImg.create(image, SIZE);
    try (Mounted mounted = Mounted.mount(image, point, "--rw")) {
      try (RawFd disk = RawFd.open(mounted.disk())) {
        assertThat(disk.write(0x42, SIZE - (8 << 20), 8 << 20)).isEqualTo(8 << 20);
        assertThat(disk.sync()).isZero();
      }
      Process load =
          new ProcessBuilder(
                  "fio",
                  "--name=load",
                  "--filename=" + mounted.disk(),
                  "--rw=randwrite",
                  "--bs=4k-64k",
                  "--size=256M",
                  "--numjobs=2",
                  "--direct=1",
                  "--ioengine=libaio",
                  "--iodepth=16",
                  "--fsync=64",
                  "--time_based",
                  "--runtime=600")
              .redirectErrorStream(true)
              .redirectOutput(temp.path("fio.log").toFile())
              .start();
      try {
        Await.until("the image grows", () -> temp.path("disk.qcow2").toFile().length() > 40 << 20);
        mounted.server().destroyForcibly();
        Await.until("the server is gone", () -> !mounted.server().isAlive());
        assertThat(load.waitFor()).as("fio without its file").isNotZero();
      } finally {
        load.destroyForcibly().waitFor();
      }
      Run.ok("umount", "-l", point.toString());
    }
    Run.Result check = Run.run(Run.PATIENCE, List.of("qemu-img", "check", image.toString()));
    assertThat(check.exitCode()).as("%s", check).isIn(0, 3);
    QemuIo.on(image).command("read -q -P 0x42 " + (SIZE - (8 << 20)) + " 8M").run();
  }

  /** The guest's own journal makes good what the kill cost. */
  @Test
  void killedUnderAFileSystem() {
    Requires.root();
    makeDirtyImage();
    try (Mounted mounted = Mounted.mount(image, point, "--rw")) {
      shell("mkfs.ext4 -q -F %s", mounted.disk());
      LoopDevice loop = LoopDevice.attach(mounted.disk());
      try {
        shell("mount %s %s", loop.device(), inside);
        shell("cp -a /usr/share/zoneinfo %s/kept && sync", inside);
        shell("cp -a /usr/share/zoneinfo %s/lost", inside);
        mounted.server().destroyForcibly();
        Await.until("the server is gone", () -> !mounted.server().isAlive());
        Run.run(Run.PATIENCE, List.of("umount", inside.toString()));
      } finally {
        loop.close();
      }
      Run.ok("umount", "-l", point.toString());
    }
    Run.Result check = Run.run(Run.PATIENCE, List.of("qemu-img", "check", image.toString()));
    assertThat(check.exitCode()).as("%s", check).isIn(0, 3);
    try (Mounted mounted = Mounted.mount(image, point, "--overlay")) {
      try (LoopDevice loop = LoopDevice.attach(mounted.disk())) {
        shell("mount %s %s", loop.device(), inside);
        shell("diff -r --no-dereference /usr/share/zoneinfo %s/kept", inside);
        shell("umount %s", inside);
        shell("e2fsck -fn %s", loop.device());
      }
      mounted.unmount();
    }
  }
}
