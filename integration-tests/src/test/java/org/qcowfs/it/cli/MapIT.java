package org.qcowfs.it.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/** {@code map} where what the host has decides, and with its own options. */
class MapIT {
  private static final long MIB = 1 << 20;

  private TempImages scratch;

  @BeforeEach
  void makeScratch() {
    Requires.tools("qemu-img", "qemu-io");
    scratch = TempImages.create("map");
  }

  @AfterEach
  void removeScratch() {
    scratch.close();
  }

  @ParameterizedTest
  @ValueSource(strings = {"off", "metadata", "falloc", "full"})
  void preallocationShowsAsQemuShowsIt(String preallocation) {
    Path image = scratch.path("disk.qcow2");
    QemuImg.create(image, 16 * MIB, "preallocation=" + preallocation);
    QemuIo.on(image).write(7, MIB, 64 << 10).write(8, 5 * MIB + 4096, 8192).run();
    compare("map", "--output=json", "disk.qcow2");
    compare("map", "disk.qcow2");
  }

  @ParameterizedTest
  @ValueSource(strings = {"1", "2", "4", "8", "16", "32", "64"})
  void preallocationIsSeenWithAnyRefcountWidth(String bits) {
    Path image = scratch.path("disk.qcow2");
    QemuImg.create(
        image, 8 * MIB, "preallocation=metadata", "refcount_bits=" + bits, "cluster_size=4096");
    QemuIo.on(image).write(7, MIB, 64 << 10).run();
    compare("map", "--output=json", "disk.qcow2");
    assertThat(Cli.qcowfs(scratch.folder(), "map", "--output=json", "disk.qcow2").out())
        .contains("\"zero\": true, \"data\": true");
  }

  @Test
  void rawFilesShowTheHostsHoles() throws IOException {
    Path image = scratch.path("disk.raw");
    try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
      Random random = new Random(1);
      byte[] block = new byte[4096];
      file.setLength(64 * MIB);
      for (int i = 0; i < 50; i++) {
        random.nextBytes(block);
        file.seek(4096L * random.nextInt(16384));
        file.write(block);
      }
    }
    Run.ok("sync", image.toString());
    compare("map", "-f", "raw", "--output=json", "disk.raw");
    compare("map", "-f", "raw", "disk.raw");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "-s 0 -l 1", "-s 1M", "-s 8M", "-s 9M", "-s 3k -l 1.5M", "-l 0", "-l 100T", "-s 0x1000",
        "-s 512 -l 512", "-s x", "-s -5", "-s 1.5", "-s 1Z", "-s 8E", "-l 9E",
            "-s 9223372036854775807"
      })
  void rangesAreQemus(String options) {
    Path image = scratch.path("disk.qcow2");
    QemuImg.create(image, 8 * MIB);
    QemuIo.on(image).write(7, MIB, 128 << 10).zero(3 * MIB, MIB).run();
    String[] words = ("map --output=json " + options + " disk.qcow2").split(" ");
    Run.Result qemu = Cli.qemuImg(scratch.folder(), words);
    Run.Result ours = Cli.asQemuImg(scratch.folder(), words);
    assertThat(ours.out()).isEqualTo(qemu.out());
    assertThat(ours.exitCode()).isEqualTo(qemu.exitCode());
    // QEMU breaks this message into two lines, each with the program's name.
    assertThat(ours.err().replace("qemu-img: ", "").replace('\n', ' '))
        .isEqualTo(qemu.err().replace("qemu-img: ", "").replace('\n', ' '));
  }

  @Test
  void damagedMetadataIsReportedAndTheRestShown() throws IOException {
    Path image = scratch.path("disk.qcow2");
    QemuImg.create(image, 8 * MIB);
    QemuIo.on(image).write(7, 0, 65536).write(8, MIB, 65536).run();
    try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
      file.seek(40); // l1_table_offset
      file.seek(file.readLong());
      long l2 = file.readLong() & 0x00fffffffffffe00L;
      file.seek(l2 + 16 * 8); // the entry of guest offset 1 MiB
      file.writeLong(0x8000000000000200L | 0x50000L); // not on a cluster boundary
    }
    Run.Result json = Cli.qcowfs(scratch.folder(), "map", "--output=json", "disk.qcow2");
    assertThat(json.exitCode()).isEqualTo(1);
    assertThat(json.out())
        .contains("\"start\": 1048576, \"length\": 65536")
        .contains("\"data\": true, \"damaged\": true}")
        .contains("\"start\": 1114112, \"length\": 7274496")
        .endsWith("}]\n");
    assertThat(json.err())
        .startsWith("qcowfs: disk.qcow2: L2 entry at host offset")
        .hasLineCount(1);
    Run.Result text = Cli.qcowfs(scratch.folder(), "map", "disk.qcow2");
    assertThat(text.exitCode()).isEqualTo(1);
    assertThat(text.out()).hasLineCount(2);
    assertThat(text.err()).isEqualTo(json.err());
  }

  private void compare(String... arguments) {
    Run.Result qemu = Cli.qemuImg(scratch.folder(), arguments).orFail();
    Run.Result ours = Cli.asQemuImg(scratch.folder(), arguments);
    assertThat(ours.out()).as("%s", ours.command()).isEqualTo(qemu.out());
    assertThat(ours.err()).isEmpty();
    assertThat(ours.exitCode()).isZero();
  }
}
