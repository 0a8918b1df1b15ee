package org.qcowfs.it.mount;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
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
import org.qcowfs.it.support.Sha256;
import org.qcowfs.it.support.TempImages;

/** Writes above an image, which stays as it is; and who may open what at the same time. */
class MountOverlayIT {
  private static final long SIZE = 16 << 20;

  private TempImages temp;
  private Path base;
  private Path point;
  private String hash;
  private String times;

  @BeforeEach
  void makeBase() {
    temp = TempImages.create("overlay");
    base = temp.path("base.qcow2");
    point = temp.makeFolder("mnt");
    QemuImg.create(base, SIZE);
    QemuIo.on(base).write(0x11, 0, 4 << 20).run();
    hash = Sha256.ofFile(base);
    times = times();
  }

  @AfterEach
  void cleanUp() {
    if (Mounted.isMountPoint(point)) {
      Run.run(Run.PATIENCE, List.of("umount", "-l", point.toString()));
    }
    temp.close();
  }

  private String times() {
    return Run.ok("stat", "-c", "%y %z %s", base.toString()).out();
  }

  private void assertBaseUntouched() {
    assertThat(Sha256.ofFile(base)).isEqualTo(hash);
    assertThat(times()).isEqualTo(times);
  }

  private static void write(Mounted mounted, int pattern, long offset, int length) {
    try (RawFd disk = RawFd.open(mounted.disk())) {
      assertThat(disk.write(pattern, offset, length)).isEqualTo(length);
    }
  }

  private Run.Result tryMount(Map<String, String> environment, String... options) {
    String[] arguments = new String[options.length + 3];
    arguments[0] = "mount";
    System.arraycopy(options, 0, arguments, 1, options.length);
    arguments[arguments.length - 2] = base.toString();
    arguments[arguments.length - 1] = point.toString();
    return Run.run(
        Run.PATIENCE, CliRun.detached("-Xmx64m", arguments), temp.folder(), environment, "");
  }

  /** Also a name that the overlay's snapshot has too. */
  @Test
  void theSnapshotsOfTheImageAreInItsLayer() throws IOException {
    QemuImg.snapshot(base, "same");
    QemuIo.on(base).write(0x22, 1 << 20, 1 << 20).run();
    QemuImg.snapshot(base, "later");
    hash = Sha256.ofFile(base);
    times = times();
    Path wanted = temp.path("wanted.raw");
    try (Mounted mounted = Mounted.mount(base, point, "--overlay")) {
      write(mounted, 0x33, 0, 1 << 20);
      Files.createDirectory(point.resolve("snapshots/same"));
      Path below = point.resolve("layers/1-base.qcow2/snapshots");
      for (String name : List.of("same", "later")) {
        QemuImg.snapshotToRaw(base, name, wanted);
        Path disk = below.resolve(name).resolve("disk.raw");
        assertThat(Sha256.ofFile(disk)).isEqualTo(Sha256.ofFile(wanted));
        assertThat(below.resolve(name).resolve("map.json")).content().contains("\"start\": 0");
        Files.delete(wanted);
      }
      mounted.unmount();
    }
    assertBaseUntouched();
  }

  /** Refused with one line, and nothing mounted, made or changed. */
  private void assertRefused(String reason, Map<String, String> environment, String... options) {
    List<String> before = listing();
    Run.Result result = tryMount(environment, options);
    assertThat(result.exitCode()).as("%s", result).isEqualTo(1);
    assertThat(result.err().lines()).hasSize(1);
    assertThat(result.err()).contains(reason);
    assertThat(Mounted.isMountPoint(point)).isFalse();
    assertThat(listing()).isEqualTo(before);
    assertBaseUntouched();
  }

  private List<String> listing() {
    try (Stream<Path> files = Files.list(temp.folder())) {
      return files.filter(Files::isRegularFile).map(f -> f + Sha256.ofFile(f)).sorted().toList();
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  @Test
  void aTemporaryOverlayLeavesNothingBehind() throws IOException {
    Path folder = temp.makeFolder("tmp");
    assertThat(tryMount(Map.of("TMPDIR", folder.toString()), "--overlay").orFail().err()).isEmpty();
    Path disk = point.resolve("disk.raw");
    try (RawFd fd = RawFd.open(disk)) {
      assertThat(fd.write(7, 1 << 20, 65536)).isEqualTo(65536);
    }
    assertThat(Run.ok("cmp", "-i", "1048576:1048576", "-n", "10", disk.toString(), disk.toString()))
        .isNotNull();
    assertThat(folder).as("while it is mounted").isEmptyDirectory();
    CliRun.ok("umount", point.toString());
    assertThat(folder).isEmptyDirectory();
    assertBaseUntouched();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"cluster_size=64k", "cluster_size=2M,size=32M", "extended_l2=on,cluster_size=16k"})
  void aNewOverlayIsMadeAndThenReused(String options) {
    Path overlay = temp.path("overlay.qcow2");
    try (Mounted mounted =
        Mounted.mount(base, point, "--overlay=" + overlay, "--overlay-options", options)) {
      write(mounted, 7, 1 << 20, 5000);
      assertThat(Run.ok("stat", "-c", "%s", mounted.disk().toString()).out().strip())
          .isEqualTo(options.contains("size=32M") ? "33554432" : "16777216");
      mounted.unmount();
    }
    try (Mounted mounted = Mounted.mount(base, point, "--overlay=" + overlay)) {
      write(mounted, 8, 2 << 20, 5000);
      mounted.unmount();
    }
    QemuImg.run("check", overlay.toString());
    QemuIo.on(overlay)
        .command("read -q -P 7 1M 5000")
        .command("read -q -P 8 2M 5000")
        .command("read -q -P 0x11 3M 1M")
        .run();
    assertThat(QemuImg.info(overlay)).contains("\"backing-filename\": \"" + base + "\"");
    assertBaseUntouched();
  }

  @Test
  void whatCannotBeIsSaidInOneLine() throws IOException {
    Map<String, String> none = Map.of();
    Path other = temp.path("other.qcow2");
    QemuImg.create(other, SIZE);
    Path text = temp.path("text");
    Files.writeString(text, "not an image");
    assertRefused("exclude each other", none, "--rw", "--overlay");
    assertRefused("is no overlay of", none, "--overlay=" + other);
    assertRefused("is no overlay of", none, "--overlay=" + text);
    assertRefused("is no overlay of", none, "--overlay=" + base);
    assertRefused("No such file or directory", none, "--overlay=" + temp.path("no/overlay"));
    assertRefused("Could not open", Map.of("TMPDIR", temp.path("no").toString()), "--overlay");
    assertRefused("--overlay-options needs", none, "--overlay-options", "size=1M");
    assertRefused(
        "Cluster size", none, "--overlay=" + temp.path("new"), "--overlay-options=cluster_size=3");
    assertRefused("--force-share", none, "--rw", "-U");
    assertRefused("-o ro", none, "--rw", "-o", "ro");
  }

  @Test
  void nobodyElseWritesWhatWeWrite() {
    try (Mounted mounted = Mounted.mount(base, point, "--rw")) {
      write(mounted, 1, 0, 512);
      assertLocked("qemu-io", "-c", "write 0 512", base.toString());
      assertLocked("qemu-img", "info", base.toString());
      Path second = temp.makeFolder("second");
      for (String how : List.of("--rw", "--overlay", "--overlay=" + temp.path("o.qcow2"))) {
        Run.Result result = CliRun.run("mount", "-f", how, base.toString(), second.toString());
        assertThat(result.exitCode()).isEqualTo(1);
        assertThat(result.err()).contains("is another process using the image");
      }
      assertThat(temp.path("o.qcow2")).doesNotExist();
      Run.ok("qemu-img", "info", "-U", base.toString());
      mounted.unmount();
    }
    try (Mounted mounted = Mounted.mount(base, point, "--overlay")) {
      // The image below may be read by others, not written.
      Run.ok("qemu-img", "info", base.toString());
      assertLocked("qemu-io", "-c", "write 0 512", base.toString());
      mounted.unmount();
    }
  }

  private static void assertLocked(String... command) {
    Run.Result result = Run.run(Run.PATIENCE, List.of(command));
    assertThat(result.exitCode()).as("%s", result).isNotZero();
    assertThat(result.err()).contains("lock");
  }

  @Test
  void whatQemuWritesIsNotOurs() throws Exception {
    Process qemu = new ProcessBuilder("qemu-io", base.toString()).start();
    try {
      // It asks for a command when the image is open. Whoever tries before is in its way.
      assertThat(qemu.getInputStream().readNBytes(8)).isEqualTo("qemu-io>".getBytes(UTF_8));
      assertLocked("qemu-img", "info", base.toString());
      assertRefused("is another process using the image", Map.of(), "--rw");
      assertRefused("is another process using the image", Map.of(), "--overlay");
      assertRefused(
          "is another process using the image", Map.of(), "--overlay=" + temp.path("new.qcow2"));
    } finally {
      qemu.destroyForcibly().waitFor();
    }
  }
}
