package org.qcowfs.it.mount;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/** Snapshots made and deleted as folders of a mount that writes. */
class MountSnapshotIT {
  private static final long SIZE = 64 << 20;

  private final TempImages temp = TempImages.create("snapshot");
  private final Path image = temp.path("disk.qcow2");
  private final Path point = temp.makeFolder("mnt");

  @AfterEach
  void cleanUp() {
    if (Mounted.isMountPoint(point)) {
      Run.run(Run.PATIENCE, List.of("umount", "-l", point.toString()));
    }
    temp.close();
  }

  private static byte first(Path file, long offset) throws IOException {
    try (RandomAccessFile in = new RandomAccessFile(file.toFile(), "r")) {
      in.seek(offset);
      return in.readByte();
    }
  }

  private Path folder(String name) {
    return point.resolve("snapshots").resolve(name);
  }

  @Test
  void aFolderMadeIsASnapshotOfAllThatWasWritten() throws IOException {
    QemuImg.create(image, SIZE);
    QemuIo.on(image).write(1, 0, 4 << 20).run();
    QemuImg.snapshot(image, "old");
    try (Mounted mounted = Mounted.mount(image, point, "--rw")) {
      try (RawFd disk = RawFd.open(mounted.disk())) {
        // Not synced: the kernel still has it when the snapshot is made.
        assertThat(disk.write(2, 1 << 20, 65536)).isEqualTo(65536);
        Files.createDirectory(folder("new one"));
        assertThat(disk.write(3, 1 << 20, 65536)).isEqualTo(65536);
        assertThat(disk.write(3, 8 << 20, 65536)).isEqualTo(65536);
      }
      assertThat(first(mounted.disk(), 1 << 20)).isEqualTo((byte) 3);
      assertThat(first(mounted.snapshot("new one"), 1 << 20)).isEqualTo((byte) 2);
      assertThat(first(mounted.snapshot("new one"), 8 << 20)).isZero();
      assertThat(first(mounted.snapshot("old"), 1 << 20)).isEqualTo((byte) 1);
      assertThat(point.resolve("snapshots").toFile().list()).containsExactly("old", "new one");

      assertRefused("File exists", "mkdir", folder("old"));
      assertRefused("Invalid argument", "mkdir", folder("two\nlines"));
      assertRefused("Read-only file system", "mkdir", point.resolve("other"));
      assertRefused("Read-only file system", "rmdir", point.resolve("layers"));

      try (RandomAccessFile open = new RandomAccessFile(mounted.snapshot("old").toFile(), "r")) {
        assertThat(open.read()).isEqualTo(1);
        assertRefused("Device or resource busy", "rmdir", folder("old"));
        assertThat(open.read()).isEqualTo(1);
      }
      Await.until("the file is released", () -> isRemoved("old"));
      assertThat(folder("old")).doesNotExist();
      assertThat(first(mounted.snapshot("new one"), 1 << 20)).isEqualTo((byte) 2);
      Files.createDirectory(folder("old"));
      assertThat(first(mounted.snapshot("old"), 1 << 20)).isEqualTo((byte) 3);
      mounted.unmount();
    }
    QemuImg.run("check", image.toString());
    assertThat(QemuImg.run("snapshot", "-l", image.toString()).out()).contains("new one", "old");
    Path raw = temp.path("raw");
    QemuImg.snapshotToRaw(image, "new one", raw);
    assertThat(first(raw, 1 << 20)).isEqualTo((byte) 2);
  }

  private boolean isRemoved(String name) {
    return Run.run(Run.PATIENCE, List.of("rmdir", folder(name).toString())).exitCode() == 0;
  }

  private static void assertRefused(String reason, String command, Path folder) {
    Run.Result result = Run.run(Run.PATIENCE, List.of(command, folder.toString()));
    assertThat(result.exitCode()).as("%s", result).isNotZero();
    assertThat(result.err()).contains(reason);
  }

  @Test
  void snapshotsComeAndGoUnderLoad() throws Exception {
    Requires.tools("fio");
    QemuImg.create(image, SIZE);
    QemuIo.on(image).write(0x11, 0, SIZE).run();
    try (Mounted mounted = Mounted.mount(image, point, "--rw")) {
      // Again and again until it is told to end: snapshots may take longer than one run.
      Process load =
          new ProcessBuilder(
                  "sh",
                  "-c",
                  "while [ ! -e \"$0\" ]; do \"$@\" || exit 1; done",
                  temp.path("enough").toString(),
                  "fio",
                  "--name=load",
                  "--filename=" + mounted.disk(),
                  "--rw=randwrite",
                  "--bs=4k",
                  "--size=8M",
                  "--numjobs=2",
                  "--offset_increment=32M",
                  "--loops=2",
                  "--verify=crc32c",
                  "--verify_fatal=1",
                  "--verify_state_save=0",
                  "--direct=1",
                  "--ioengine=libaio",
                  "--iodepth=8",
                  "--rate_iops=4000")
              .redirectErrorStream(true)
              .redirectOutput(temp.path("fio.log").toFile())
              .start();
      try {
        int made = 0;
        while (made < 12) {
          Files.createDirectory(folder("s" + made));
          if (made % 3 != 0) {
            Files.delete(folder("s" + (made - 1)));
          }
          made++;
        }
        Files.createFile(temp.path("enough"));
        assertThat(load.waitFor()).as(Files.readString(temp.path("fio.log"))).isZero();
      } finally {
        load.destroyForcibly().waitFor();
      }
      mounted.unmount();
    }
    QemuImg.run("check", image.toString());
  }

  @Test
  void aMountThatOnlyReadsKeepsItsSnapshots() {
    QemuImg.create(image, SIZE);
    QemuImg.snapshot(image, "old");
    try (Mounted mounted = Mounted.mount(image, point)) {
      assertRefused("Read-only file system", "mkdir", folder("new"));
      assertRefused("Read-only file system", "rmdir", folder("old"));
      mounted.unmount();
    }
  }
}
