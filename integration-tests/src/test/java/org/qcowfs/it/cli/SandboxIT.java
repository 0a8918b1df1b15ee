package org.qcowfs.it.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.it.corpus.Patcher;
import org.qcowfs.it.mount.Await;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/** {@code --sandbox}: nothing that an image names is opened, and memory and time have an end. */
class SandboxIT {
  private final TempImages scratch = TempImages.create("sandbox");

  @AfterEach
  void clean() {
    scratch.close();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "map",
        "measure",
        "compare",
        "convert",
        "info --backing-chain",
        "mount",
        "check --chain"
      })
  void opensNoBackingFile(String command) throws Exception {
    Path base = scratch.path("base.qcow2");
    QemuImg.create(base, 1 << 20);
    Path image = scratch.path("disk.qcow2");
    QemuImg.createOverlay(image, "base.qcow2", "qcow2");
    String more =
        switch (command) {
          case "measure" -> " -O qcow2";
          case "compare" -> " " + base;
          case "convert" -> " -O raw";
          default -> "";
        };
    String last =
        switch (command) {
          case "convert" -> " " + scratch.path("out");
          case "mount" -> " " + scratch.makeFolder("mnt");
          default -> "";
        };
    Run.Result result = CliRun.run(("--sandbox " + command + more + " " + image + last).split(" "));
    assertThat(result.exitCode()).as("%s", result).isNotZero();
    assertThat(result.err())
        .contains("backing file 'base.qcow2' is not opened: the policy for implicit opens is deny")
        .hasLineCount(1);
    assertThat(scratch.path("out")).doesNotExist();
  }

  @Test
  void refusesToChangeAnImage() {
    for (String command :
        new String[] {
          "resize X +1M", "check -r all X", "snapshot -c a X", "create X 1M", "umount X"
        }) {
      Run.Result result = CliRun.run(("--sandbox " + command).split(" "));
      assertThat(result.exitCode()).isEqualTo(1);
      assertThat(result.err()).contains("--sandbox is for commands that read: mount, info, map");
    }
    assertThat(CliRun.run("--sandbox", "mount", "--backing=any", "X", "Y").err())
        .contains("--sandbox and --backing exclude each other");
    assertThat(CliRun.run("--sandbox=soon", "info", "X").err())
        .contains("--sandbox takes seconds, 1 to 1000000, not 'soon'");
  }

  /** R39: an L1 table of four million entries that all name one L2 table of single clusters. */
  private Path bomb() throws Exception {
    Path image = scratch.path("bomb.qcow2");
    QemuImg.create(image, 1 << 20);
    try (Patcher p = Patcher.open(image)) {
      int entries = 4 << 20;
      long l1 = 1 << 20;
      long l2 = l1 + entries * 8L;
      byte[] table = new byte[1 << 16];
      for (int i = 0; i < table.length; i += 16) {
        table[i] = (byte) 0x80;
        table[i + 5] = 5; // host offset 0x50000
      }
      p.bytes(0x50000, new byte[1 << 16]).bytes(l2, table);
      byte[] page = new byte[1 << 16];
      for (int i = 0; i < page.length; i += 8) {
        page[i] = (byte) 0x80;
        page[i + 4] = (byte) (l2 >>> 24);
        page[i + 5] = (byte) (l2 >>> 16);
      }
      for (long at = l1; at < l2; at += page.length) {
        p.bytes(at, page);
      }
      p.header("l1_table_offset", l1)
          .header("l1_size", entries)
          .header("size", entries * (512L << 20));
    }
    return image;
  }

  @Test
  void r39EndsWhenItsTimeIsOver() throws Exception {
    Path image = bomb();
    long start = System.nanoTime();
    Run.Result result =
        CliRun.run(
            Run.PATIENCE,
            scratch.folder(),
            Map.of(),
            "-Xmx96m",
            "--sandbox=2",
            "measure",
            "-O",
            "qcow2",
            image.toString());
    assertThat(result.exitCode()).as("%s", result).isEqualTo(1);
    assertThat(result.err()).isEqualTo("qcowfs: stopped by --sandbox after 2 seconds\n");
    assertThat(Duration.ofNanos(System.nanoTime() - start)).isGreaterThan(Duration.ofSeconds(2));
  }

  /** A check counts references: to a hundred thousand places far from each other in a terabyte. */
  @Test
  void r39MemoryHasABoundAndAMessage() throws Exception {
    Path image = scratch.path("scattered.qcow2");
    int cluster = 512;
    int tables = 2048;
    QemuImg.create(image, (long) tables * (cluster / 8) * cluster, "cluster_size=" + cluster);
    long end = (1L << 40) - (1 << 20);
    Random random = new Random(39);
    try (Patcher p = Patcher.open(image)) {
      long l1 = p.header("l1_table_offset");
      ByteBuffer table = ByteBuffer.allocate(cluster);
      for (int i = 0; i < tables; i++) {
        long l2 = (1 << 20) + (long) i * cluster;
        p.u64(l1 + 8L * i, l2 | Patcher.COPIED);
        for (int k = 0; k < cluster; k += 8) {
          table.putLong(k, random.nextLong(1L << 30, end) / cluster * cluster | Patcher.COPIED);
        }
        p.bytes(l2, table.array());
      }
      p.truncate(end);
    }
    Run.Result result =
        CliRun.run(
            Run.PATIENCE,
            scratch.folder(),
            Map.of(),
            "-Xmx48m",
            "--sandbox",
            "check",
            image.toString());
    assertThat(result.exitCode()).as("%s", result).isEqualTo(1);
    assertThat(result.err()).startsWith("qcowfs: out of memory: this needs more than the ");
    assertThat(result.err()).hasLineCount(1);
  }

  @Test
  void theLauncherBoundsTheProcess() throws Exception {
    List<String> command =
        List.of(
            CliRun.project().resolve("qcowfs").toString(),
            "--sandbox=60",
            "measure",
            "-O",
            "qcow2",
            bomb().toString());
    CliRun.launcher("--version").orFail(); // builds what is to be built
    Process process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(scratch.path("said").toFile())
            .start();
    try {
      Path proc = Path.of("/proc", Long.toString(process.pid()));
      // The launcher becomes setpriv, and that the JVM.
      Await.until("the JVM", () -> text(proc.resolve("cmdline")).matches("[^\\x00]*/java\\x00.*"));
      assertThat(text(proc.resolve("cmdline"))).contains("-Xmx96m");
      assertThat(text(proc.resolve("status"))).containsPattern("NoNewPrivs:\\s+1");
      assertThat(text(proc.resolve("limits")))
          .containsPattern("Max core file size\\s+0 ")
          .containsPattern("Max open files\\s+256 ");
    } finally {
      process.destroyForcibly().waitFor();
    }
  }

  private static String text(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
