package org.qcowfs.it.mount;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/** {@code --copy-on-read}: what was read from the base is in the overlay afterwards. */
class MountCopyOnReadIT {
  private static final long MIB = 1 << 20;

  private TempImages temp;
  private Path base;
  private Path overlay;
  private Path point;

  /** Data in the first 8 MiB, zero clusters in the next 4, nothing in the last 4. */
  @BeforeEach
  void makeBase() {
    temp = TempImages.create("copy-on-read");
    base = temp.path("base.qcow2");
    overlay = temp.path("overlay.qcow2");
    point = temp.makeFolder("mnt");
    QemuImg.create(base, 16 * MIB);
    QemuIo.on(base).write(0x11, 0, 8 * MIB).zero(8 * MIB, 4 * MIB).run();
  }

  @AfterEach
  void cleanUp() {
    temp.close();
  }

  private static void read(Path disk, long offset, long length) {
    Run.ok(
        "dd",
        "if=" + disk,
        "of=/dev/null",
        "bs=" + length,
        "count=1",
        "skip=" + offset,
        "iflag=direct,skip_bytes,fullblock",
        "status=none");
  }

  private Mounted mount(String... options) {
    String[] all = new String[options.length + 2];
    System.arraycopy(options, 0, all, 2, options.length);
    all[0] = "--overlay=" + overlay;
    all[1] = "--copy-on-read";
    return Mounted.mount(base, point, all);
  }

  /** The ranges the overlay has, each by start, length and whether it is data. */
  private List<String> local() {
    return QemuImg.map(overlay, "qcow2").stream()
        .filter(entry -> entry.depth() == 0)
        .map(entry -> entry.start() + "+" + entry.length() + (entry.data() ? " data" : " zero"))
        .toList();
  }

  private void assertSound() {
    QemuImg.run("check", overlay.toString());
    Run.ok("qemu-img", "compare", overlay.toString(), base.toString());
  }

  @ParameterizedTest
  @ValueSource(strings = {"cluster_size=64k", "cluster_size=64k,extended_l2=on"})
  void wholeUnitsOfWhatWasReadAreInTheOverlay(String options) {
    long unit = options.contains("extended") ? 2048 : 65536;
    try (Mounted mounted = mount("--overlay-options", options)) {
      read(mounted.disk(), MIB, MIB);
      read(mounted.disk(), 3 * MIB + 512, 512);
      read(mounted.disk(), 8 * MIB, MIB);
      mounted.unmount();
    }
    assertThat(local())
        .containsExactly(
            MIB + "+" + MIB + " data",
            3 * MIB + "+" + unit + " data",
            8 * MIB + "+" + MIB + " zero");
    assertThat(overlay.toFile().length()).isLessThan(3 * MIB);
    assertSound();
  }

  @Test
  void viewsOfSnapshotsAndLayersOnlyLook() throws IOException {
    try (Mounted mounted = mount()) {
      Files.createDirectory(point.resolve("snapshots/s"));
      read(mounted.snapshot("s"), MIB, MIB);
      read(mounted.layer(0), 2 * MIB, MIB);
      read(mounted.layer(1), 3 * MIB, MIB);
      mounted.unmount();
    }
    assertThat(local()).isEmpty();
  }

  @Test
  void theLastSpaceOfTheDiskIsNotForCopies() throws IOException {
    Path small = temp.makeFolder("small");
    Path log = temp.path("log");
    Run.ok("mount", "-t", "tmpfs", "-o", "size=68m", "tmpfs", small.toString());
    try {
      overlay = small.resolve("overlay.qcow2");
      try (Mounted mounted = mount("--log-file=" + log)) {
        Run.ok("qemu-img", "compare", "-f", "raw", mounted.disk().toString(), base.toString());
        try (RawFd disk = RawFd.open(mounted.disk())) {
          assertThat(disk.write(0x22, 9 * MIB, 65536)).isEqualTo(65536);
        }
        mounted.unmount();
      }
      assertThat(Files.readAllLines(log))
          .singleElement()
          .asString()
          .contains("what is read is copied no more: ")
          .contains("the last 64 are kept for what is written");
      QemuImg.run("check", overlay.toString());
      QemuIo.on(overlay).command("read -q -P 0x22 9M 64k").run();
      assertThat(overlay.toFile().length()).isBetween(2 * MIB, 5 * MIB);
    } finally {
      Run.ok("umount", small.toString());
    }
  }

  @Test
  void thereMustBeSomethingToKeepTheCopy() {
    Run.Result result =
        CliRun.run("mount", "-f", "--copy-on-read", base.toString(), point.toString());
    assertThat(result.exitCode()).isEqualTo(1);
    assertThat(result.err()).isEqualTo("qcowfs: --copy-on-read needs --overlay or --rw\n");
    result = CliRun.run("mount", "-f", "--rw", "--copy-on-read", base.toString(), point.toString());
    assertThat(result.exitCode()).isEqualTo(1);
    assertThat(result.err()).isEqualTo("qcowfs: --copy-on-read: the image has no backing file\n");
  }
}
