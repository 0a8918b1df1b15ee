package org.qcowfs.it.mount;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/** {@code --verify-base}: a base that is not the recorded one is refused. */
class VerifyBaseIT {
  private TempImages temp;
  private Path lowest;
  private Path base;
  private Path overlay;
  private Path record;
  private Path point;

  @BeforeEach
  void makeChain() {
    temp = TempImages.create("verify");
    lowest = temp.path("lowest.raw");
    base = temp.path("base.qcow2");
    overlay = temp.path("overlay.qcow2");
    record = temp.path("overlay.qcow2.base");
    point = temp.makeFolder("mnt");
    Run.ok("sh", "-c", "seq 1 300000 > " + lowest + "; truncate -s 4M " + lowest);
    QemuImg.createOverlay(base, lowest.toString(), "raw");
    QemuIo.on(base).write(0x11, 0, 1 << 20).run();
  }

  @AfterEach
  void cleanUp() {
    temp.close();
  }

  private void mounts(String verify) {
    try (Mounted mounted = Mounted.mount(base, point, "--overlay=" + overlay, verify)) {
      mounted.unmount();
    }
  }

  private void assertRefused(String reason) {
    Run.Result result =
        CliRun.run("mount", "-f", "--overlay=" + overlay, "--verify-base", "" + base, "" + point);
    assertThat(result.exitCode()).as("%s", result).isEqualTo(1);
    assertThat(result.err().lines()).hasSize(1);
    assertThat(result.err())
        .contains("The base has changed since '" + record + "' was written: ")
        .contains(reason)
        .contains("--verify-base=record accepts it");
    assertThat(Mounted.isMountPoint(point)).isFalse();
  }

  @Test
  void whatIsBelowIsRecordedAndThenRequired() throws IOException {
    mounts("--discard=unmap");
    assertThat(record).as("without the option").doesNotExist();
    mounts("--verify-base");
    String first = Files.readString(record);
    assertThat(first).contains("0.file=" + base).contains("1.file=" + lowest);
    mounts("--verify-base");
    assertThat(Files.readString(record)).as("unchanged").isEqualTo(first);

    FileTime time = Files.getLastModifiedTime(lowest);
    QemuIo.on(lowest, "raw").write(0x22, 0, 512).run();
    assertRefused("'" + lowest + "': modified is ");
    Files.setLastModifiedTime(lowest, time);
    assertRefused("'" + lowest + "': sampled contents differ");
    mounts("--verify-base=record");
    mounts("--verify-base");

    Path copy = temp.path("copy");
    Run.ok("cp", "-p", lowest.toString(), copy.toString());
    Files.move(copy, lowest, StandardCopyOption.REPLACE_EXISTING);
    assertRefused("'" + lowest + "': inode is ");
    Run.ok("truncate", "-s", "5M", lowest.toString());
    assertRefused("size is 5242880, expected 4194304");
  }

  @Test
  void aNewOverlayHasANewRecord() throws IOException {
    mounts("--verify-base");
    QemuIo.on(base).write(0x33, 0, 512).run();
    assertRefused("'" + base + "': modified is ");
    Files.delete(overlay);
    mounts("--verify-base");
    mounts("--verify-base");
  }

  @Test
  void whatCannotBeIsSaidInOneLine() {
    Run.Result result =
        CliRun.run("mount", "-f", "--overlay", "--verify-base", "" + base, "" + point);
    assertThat(result.exitCode()).isEqualTo(1);
    assertThat(result.err()).isEqualTo("qcowfs: --verify-base needs a named overlay\n");
    result = CliRun.run("mount", "-f", "--rw", "--verify-base", "" + lowest, "" + point);
    assertThat(result.exitCode()).isEqualTo(1);
    assertThat(result.err()).contains("--verify-base: the image has no backing file");
  }
}
