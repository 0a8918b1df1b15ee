package org.qcowfs.it.check;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.Sha256;
import org.qcowfs.it.support.TempImages;

/** Damaged images: what is printed, the exit code, and what a repair leaves. */
final class CheckIT {
  private static final int CLUSTER = 65536;
  private static final int REFCOUNT_BLOCK = 2 * CLUSTER;
  private static final int INCOMPATIBLE = 72;
  private static final int L1_TABLE = 3 * CLUSTER;

  private TempImages scratch;
  private Path image;

  @BeforeAll
  static void tools() {
    Requires.tools("qemu-img", "qemu-io");
  }

  @BeforeEach
  void makeImage() {
    scratch = TempImages.create("check");
    image = scratch.path("disk.qcow2");
    QemuImg.create(image, 64 << 20);
    QemuIo.on(image).write(0x5a, 0, 1 << 20).run();
  }

  @AfterEach
  void deleteImage() {
    scratch.close();
  }

  @Test
  void aLeakIsSetFree() throws IOException {
    leak();
    sameAsQemuImg(3);
    Run.Result repaired = CliRun.run("check", "-r", "leaks", image.toString());
    assertThat(repaired.exitCode()).as("%s", repaired).isZero();
    assertThat(repaired.out())
        .startsWith(
            "The following inconsistencies were found and repaired:\n\n    1 leaked clusters")
        .contains("No errors were found on the image.");
    sameAsQemuImg(0);
  }

  @Test
  void aRefcountThatIsTooLowIsMendedByAllOnly() throws IOException {
    set(REFCOUNT_BLOCK + 5 * 2, 2, 0);
    String disk = content();
    sameAsQemuImg(2);
    assertThat(CliRun.run("check", "-r", "leaks", image.toString()).exitCode()).isEqualTo(2);
    sameAsQemuImg(2);
    assertThat(CliRun.run("check", "-r", "all", image.toString()).exitCode()).isZero();
    sameAsQemuImg(0);
    assertThat(content()).isEqualTo(disk);
  }

  @Test
  void leaksBesideOtherFaultsAreKeptByLeaks() throws IOException {
    leak();
    set(REFCOUNT_BLOCK + 5 * 2, 2, 0);
    Run.Result run = CliRun.run("check", "-q", "-r", "leaks", image.toString());
    assertThat(run.exitCode()).isEqualTo(2);
    assertThat(run.out()).isEmpty();
    assertThat(run.err()).contains("not repaired: leaks are left as they are");
    sameAsQemuImg(2);
  }

  @Test
  void aLostL2TableIsReportedAndNothingIsMadeWorse() throws IOException {
    set(L1_TABLE, 8, 1L << 63 | 1L << 40);
    sameAsQemuImg(2);
    CliRun.run("check", "-r", "all", image.toString());
    sameAsQemuImg(2);
  }

  @Test
  void aDirtyImageIsRepairedBeforeItIsWrittenTo() throws IOException {
    set(INCOMPATIBLE, 8, 1);
    set(REFCOUNT_BLOCK + 5 * 2, 2, 0);
    Run.Result run = CliRun.run("snapshot", "-c", "one", image.toString());
    assertThat(run.exitCode()).as("%s", run).isZero();
    assertThat(run.err())
        .contains(image + ": was not closed cleanly; repaired (1 corruptions, 0 leaked clusters)");
    sameAsQemuImg(0);
    assertThat(QemuImg.info(image)).contains("\"dirty-flag\": false");
  }

  @Test
  void anImageMarkedCorruptIsRefusedForWritingUntilItIsRepaired() throws IOException {
    set(INCOMPATIBLE, 8, 2);
    Run.Result refused = CliRun.run("snapshot", "-c", "one", image.toString());
    assertThat(refused.exitCode()).isEqualTo(1);
    assertThat(refused.err()).contains("Image is corrupt; cannot be opened read/write");
    assertThat(CliRun.run("check", "-r", "all", image.toString()).exitCode()).isZero();
    assertThat(CliRun.run("snapshot", "-c", "one", image.toString()).exitCode()).isZero();
  }

  @Test
  void findingsAreExplainedByWhatTheyAffect() throws IOException {
    Run.run(Run.PATIENCE, List.of("qemu-img", "snapshot", "-c", "clean", image.toString()));
    QemuIo.on(image).write(0x77, 0, 65536).run();
    set(REFCOUNT_BLOCK + 6 * 2, 2, 0);
    Run.Result text = CliRun.run("check", "--explain", image.toString());
    assertThat(text.exitCode()).isEqualTo(2);
    assertThat(text.out())
        .contains("1 x uses clusters that the image calls free")
        .contains("\n  the disk: 0x10000..0x20000\n  snapshot 1 (clean): 0x10000..0x20000\n");
    Run.Result json = CliRun.run("check", "--explain", "--output=json", image.toString());
    assertThat(json.out().replaceAll("\\s+", " "))
        .contains(
            "{ \"snapshot\": \"1 (clean)\", \"ranges\": [ { \"start\": 65536, \"length\": 65536 }");
  }

  @Test
  void everyLayerOfAChainIsChecked() throws IOException {
    Path overlay = scratch.path("overlay.qcow2");
    Run.run(
        Run.PATIENCE,
        List.of(
            "qemu-img",
            "create",
            "-q",
            "-f",
            "qcow2",
            "-F",
            "qcow2",
            "-b",
            image.toString(),
            overlay.toString()));
    leak();
    Run.Result text = CliRun.run("check", "--chain", overlay.toString());
    assertThat(text.exitCode()).isEqualTo(3);
    assertThat(text.err()).contains(image + ": Leaked cluster");
    assertThat(text.out())
        .startsWith(overlay + ":\nNo errors were found on the image.\n")
        .contains(image + ":\n\n1 leaked clusters were found");
    Run.Result json = CliRun.run("check", "--chain", "--output=json", overlay.toString());
    assertThat(json.out()).contains("\"leaks\": 1").contains(overlay.toString());
  }

  @Test
  void compressedClustersAreDecompressedOnRequest() throws IOException {
    Path packed = scratch.path("packed.qcow2");
    Run.run(
        Run.PATIENCE,
        List.of("qemu-img", "convert", "-c", "-O", "qcow2", image.toString(), packed.toString()));
    assertThat(CliRun.run("check", "-p", "--data", packed.toString()).exitCode()).isZero();
    byte[] bytes = Files.readAllBytes(packed);
    int first = 5 * CLUSTER; // the compressed data lies behind the L2 table
    for (int at = first; at < first + 64; at++) {
      bytes[at] = (byte) 0xff;
    }
    Files.write(packed, bytes);
    assertThat(CliRun.run("check", packed.toString()).exitCode()).isZero();
    Run.Result run = CliRun.run("check", "--data", packed.toString());
    assertThat(run.exitCode()).isEqualTo(2);
    assertThat(run.err()).contains("ERROR data: compressed cluster at host offset 0x50000");
  }

  @Test
  void aDryRunSaysWhatARepairWouldDo() throws IOException {
    set(REFCOUNT_BLOCK + 5 * 2, 2, 0);
    byte[] before = Files.readAllBytes(image);
    Run.Result run = CliRun.run("check", "-r", "all", "--dry-run", image.toString());
    assertThat(run.exitCode()).isEqualTo(2);
    assertThat(run.err())
        .contains("would make a new refcount table at host offset 0x")
        .contains("would have the header name them");
    assertThat(Files.readAllBytes(image)).isEqualTo(before);
  }

  @Test
  void aRepairCanBeUndoneUntilTheImageIsWrittenTo() throws IOException {
    set(REFCOUNT_BLOCK + 5 * 2, 2, 0);
    byte[] before = Files.readAllBytes(image);
    Path backup = scratch.path("saved");
    String[] repair = {"check", "-r", "all", "--backup=" + backup, image.toString()};
    assertThat(CliRun.run(repair).exitCode()).isZero();
    byte[] repaired = Files.readAllBytes(image);
    QemuIo.on(image).write(1, 32 << 20, 65536).run();
    Run.Result late = CliRun.run("check", "--undo=" + backup, image.toString());
    assertThat(late.exitCode()).isEqualTo(1);
    assertThat(late.err()).contains("was written to since; nothing was changed");
    Files.write(image, repaired);
    Run.Result undo = CliRun.run("check", "--undo", backup.toString(), image.toString());
    assertThat(undo.exitCode()).as("%s", undo).isZero();
    assertThat(Files.readAllBytes(image)).isEqualTo(before);
    Run.Result twice = CliRun.run("check", "--undo", backup.toString(), image.toString());
    assertThat(twice.exitCode()).isEqualTo(1);
    assertThat(CliRun.run(repair).err()).contains("File exists");
  }

  @Test
  void freedLeaksCanBeTakenBack() throws IOException {
    leak();
    byte[] before = Files.readAllBytes(image);
    Path backup = scratch.path("saved");
    assertThat(
            CliRun.run("check", "-r", "leaks", "--backup=" + backup, image.toString()).exitCode())
        .isZero();
    assertThat(CliRun.run("check", "--undo=" + backup, image.toString()).exitCode()).isZero();
    assertThat(Files.readAllBytes(image)).isEqualTo(before);
  }

  @Test
  void aRawFileHasNothingToCheck() throws IOException {
    Path raw = scratch.path("disk.raw");
    Files.write(raw, new byte[CLUSTER]);
    Run.Result run = CliRun.run("check", raw.toString());
    assertThat(run.exitCode()).isEqualTo(63);
    assertThat(run.err()).isEqualTo("qcowfs: This image format does not support checks\n");
  }

  @Test
  void badOptionsAreRefused() {
    Run.Result word = CliRun.run("check", "-r", "some", image.toString());
    assertThat(word.exitCode()).isEqualTo(1);
    assertThat(word.err())
        .startsWith("qcowfs: Unknown option value for -r (expecting 'leaks' or 'all'): some\n");
    Run.Result shared = CliRun.run("check", "-U", "-r", "all", image.toString());
    assertThat(shared.exitCode()).isEqualTo(1);
    assertThat(shared.err()).contains("force-share=on can only be used with read-only images");
  }

  /** The cluster behind the last has a refcount, and is in the file. */
  private void leak() throws IOException {
    try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
      long clusters = (file.length() + CLUSTER - 1) / CLUSTER;
      file.setLength((clusters + 1) * CLUSTER);
      file.seek(REFCOUNT_BLOCK + clusters * 2);
      file.writeShort(1);
    }
  }

  private void set(long at, int bytes, long value) throws IOException {
    try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
      file.seek(at);
      if (bytes == 2) {
        file.writeShort((int) value);
      } else {
        file.writeLong(value);
      }
    }
  }

  private String content() {
    Path raw = scratch.path("content.raw");
    QemuImg.toRaw(image, "qcow2", raw);
    return Sha256.ofFile(raw);
  }

  private void sameAsQemuImg(int code) {
    for (String output : new String[] {"--output=human", "--output=json"}) {
      Run.Result ours = CliRun.run("check", output, image.toString());
      Run.Result qemu =
          Run.run(Run.PATIENCE, List.of("qemu-img", "check", output, image.toString()));
      assertThat(ours.exitCode()).as("%s", ours).isEqualTo(code).isEqualTo(qemu.exitCode());
      assertThat(ours.out()).isEqualTo(qemu.out());
      assertThat(ours.err()).isEqualTo(qemu.err());
    }
  }
}
