package org.qcowfs.it.mount;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.engine.host.posix.PosixCalls;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.LoopDevice;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/** The host has no room: told to who writes, to who unmounts, and the image stays sound. */
class MountFailureIT {
  private TempImages temp;
  private Path small;
  private Path image;
  private Path point;

  @BeforeEach
  void makeSmallHost() {
    Requires.root();
    temp = TempImages.create("failure");
    small = temp.makeFolder("small");
    Run.ok("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", small.toString());
    image = small.resolve("disk.qcow2");
    point = temp.makeFolder("mnt");
    QemuImg.create(image, 1L << 30);
  }

  @AfterEach
  void cleanUp() {
    for (Path mount : List.of(point, small)) {
      if (Mounted.isMountPoint(mount)) {
        Run.run(Run.PATIENCE, List.of("umount", "-l", mount.toString()));
      }
    }
    temp.close();
  }

  private Run.Result start(String... options) {
    String[] arguments = new String[options.length + 3];
    arguments[0] = "mount";
    System.arraycopy(options, 0, arguments, 1, options.length);
    arguments[arguments.length - 2] = image.toString();
    arguments[arguments.length - 1] = point.toString();
    return Run.run(Run.PATIENCE, CliRun.detached("-Xmx64m", arguments), temp.folder(), Map.of(), "")
        .orFail();
  }

  @Test
  void aFullHostIsToldAndTheNextWriteWorksWhenThereIsRoomAgain() {
    Path filler = small.resolve("filler");
    Run.ok("fallocate", "-l", "5M", filler.toString());
    start("--rw", "--log-file", temp.path("log").toString());
    try (RawFd disk = RawFd.open(point.resolve("disk.raw"), PosixCalls.O_DIRECT)) {
      assertThat(disk.write(1, 0, 1 << 20)).isEqualTo(1 << 20);
      assertThat(disk.write(2, 512 << 20, 4 << 20)).isIn(-(long) Errno.ENOSPC, 1L << 20, 2L << 20);
      assertThat(disk.write(2, 512 << 20, 4 << 20)).isIn(-(long) Errno.ENOSPC, 1L << 20, 2L << 20);
      assertThat(disk.write(3, 900 << 20, 1 << 20)).isEqualTo(-Errno.ENOSPC);
      Run.ok("rm", filler.toString());
      assertThat(disk.write(3, 900 << 20, 1 << 20)).isEqualTo(1 << 20);
      assertThat(disk.sync()).isZero();
      DataBuffer got = DataBuffer.allocate(4096);
      assertThat(disk.read(got, 0)).isEqualTo(4096);
      assertThat(got.bytes().get(0)).isEqualTo((byte) 1);
    }
    CliRun.ok("umount", point.toString());
    assertThat(Run.run(Run.PATIENCE, List.of("qemu-img", "check", image.toString())).exitCode())
        .isIn(0, 3);
    assertThat(temp.path("log")).content().contains("No space left on device");
  }

  /**
   * The host's file system lies on a device that cannot take what it promised: fsync fails there.
   */
  @Test
  void afterAFailedFlushNothingMoreIsWrittenAndWhoUnmountsIsTold() {
    Requires.tools("mkfs.ext2");
    Path device = small.resolve("device");
    Run.ok("rm", image.toString());
    Run.ok("truncate", "-s", "64M", device.toString());
    Path host = temp.makeFolder("host");
    Path log = temp.path("log");
    try (LoopDevice loop = LoopDevice.attach(device)) {
      Run.ok("mkfs.ext2", "-q", "-N", "16", loop.device().toString());
      Run.ok("mount", loop.device().toString(), host.toString());
      try {
        image = host.resolve("disk.qcow2");
        QemuImg.create(image, 1L << 30);
        start("--rw", "--log-file", log.toString());
        try (RawFd disk = RawFd.open(point.resolve("disk.raw"), PosixCalls.O_DIRECT)) {
          for (long at = 0; at < 24 << 20; at += 1 << 20) {
            assertThat(disk.write(1, at, 1 << 20)).isEqualTo(1 << 20);
          }
          assertThat(disk.sync()).as("the first fsync").isIn(-(long) Errno.EIO, -28L);
          assertThat(disk.sync()).as("the next").isEqualTo(-Errno.EIO);
          assertThat(disk.write(2, 0, 4096)).isEqualTo(-Errno.EIO);
          DataBuffer got = DataBuffer.allocate(4096);
          assertThat(disk.read(got, 0)).isEqualTo(4096);
          assertThat(got.bytes().get(0)).isEqualTo((byte) 1);
        }
        Run.Result umount = CliRun.run("umount", point.toString());
        assertThat(umount.exitCode()).as("%s", umount).isEqualTo(1);
        assertThat(umount.err()).contains("lost").contains("an earlier flush failed");
        assertThat(umount.err().lines()).hasSize(1);
        assertThat(log).content().contains("lost").contains("Could not sync");
        assertThat(Mounted.isMountPoint(point)).isFalse();
      } finally {
        Run.ok("umount", "-l", host.toString());
      }
    }
  }
}
