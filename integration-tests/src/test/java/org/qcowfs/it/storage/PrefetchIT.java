package org.qcowfs.it.storage;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.qcowfs.it.mount.Await;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.Json;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/** {@code --prefetch}: pulls what the base holds into the overlay, until the base is not needed. */
@Timeout(300)
class PrefetchIT {
  private static final long MIB = 1 << 20;

  /** What is data in the base. */
  private static final long USED = 14 * MIB;

  private TempImages temp;
  private Path real;
  private Path overlay;
  private Path point;
  private Path log;
  private BadStorage storage;

  @BeforeEach
  void makeBase() {
    temp = TempImages.create("prefetch");
    Path folder = temp.makeFolder("real");
    real = folder.resolve("base.qcow2");
    overlay = temp.path("overlay.qcow2");
    point = temp.makeFolder("mnt");
    log = temp.path("log");
    QemuImg.create(real, 64 * MIB);
    QemuIo.on(real)
        .write(0x11, 0, 10 * MIB)
        .zero(12 * MIB, 4 * MIB)
        .write(0x22, 40 * MIB, 4 * MIB)
        .run();
    storage = BadStorage.mount(folder, temp.makeFolder("net"));
  }

  @AfterEach
  void cleanUp() {
    storage.close();
    temp.close();
  }

  private Mounted mount(String prefetch) {
    return Mounted.mount(
        storage.path("base.qcow2"), point, "--overlay=" + overlay, prefetch, "--log-file=" + log);
  }

  private Json.JsonObject state() {
    try {
      return Json.objects("[" + Files.readString(point.resolve("prefetch.json")) + "]").get(0);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void awaitFinished() {
    Await.until("the prefetch has finished", () -> state().text("state").equals("finished"));
  }

  /** Reads the whole disk past the kernel's cache, and compares it with the base. */
  private void assertReads(Mounted mounted) {
    Path raw = temp.path("copy.raw");
    Run.run(
            Run.PATIENCE,
            List.of("dd", "if=" + mounted.disk(), "of=" + raw, "bs=1M", "iflag=direct"))
        .orFail();
    Run.ok("qemu-img", "compare", "-f", "raw", raw.toString(), real.toString());
  }

  private void assertSound() {
    QemuImg.run("check", overlay.toString());
    Run.ok("qemu-img", "rebase", "-u", "-b", real.toString(), "-F", "qcow2", overlay.toString());
    Run.ok("qemu-img", "compare", overlay.toString(), real.toString());
  }

  @Test
  void onceFinishedNoReadTouchesTheBase() throws IOException {
    try (Mounted mounted = mount("--prefetch")) {
      awaitFinished();
      assertThat(state().number("copied")).isEqualTo(USED);
      assertThat(state().number("total")).isEqualTo(USED);
      storage.faults().hang();
      long before = storage.faults().reads();
      assertReads(mounted);
      assertThat(storage.faults().reads()).isEqualTo(before);
      mounted.unmount();
    } finally {
      storage.faults().release();
    }
    List<String> lines = Files.readAllLines(log);
    assertThat(lines).hasSizeBetween(2, 11);
    assertThat(lines.get(lines.size() - 1))
        .endsWith("prefetch: finished, 14 MiB; the files below are no longer read");
    assertSound();
  }

  @Test
  void theNextMountGoesOn() throws IOException {
    try (Mounted mounted = mount("--prefetch=1M")) {
      Await.until("some is there", () -> state().number("copied") >= MIB);
      assertThat(state().number("bytes-per-second")).isEqualTo(MIB);
      assertThat(state().text("state")).isEqualTo("running");
      mounted.unmount();
    }
    assertThat(Files.readString(log)).contains("prefetch: stopped at ");
    long had =
        QemuImg.map(overlay, "qcow2").stream()
            .filter(entry -> entry.depth() == 0 && entry.data())
            .mapToLong(QemuImg.MapEntry::length)
            .sum();
    assertThat(had).isBetween(MIB, USED - MIB);
    try (Mounted mounted = mount("--prefetch")) {
      awaitFinished();
      assertThat(state().number("total")).isEqualTo(USED - had);
      assertReads(mounted);
      mounted.unmount();
    }
    assertSound();
  }

  @Test
  void aBaseThatHangsDoesNotHoldUpTheUnmount() {
    try (Mounted mounted = mount("--prefetch=1M")) {
      Await.until("some is there", () -> state().number("copied") >= MIB);
      storage.faults().hang();
      Await.until("the prefetch hangs", () -> storage.faults().hung() > 0);
      Run.ok("umount", point.toString());
      // The kernel keeps the process until its last read has an answer; the overlay is closed.
      // (qemu-img would open the base to check what is above it.)
      Await.until(
          "the overlay is let go", () -> CliRun.run("check", overlay.toString()).exitCode() == 0);
      storage.faults().release();
      assertThat(mounted.server().onExit().join().exitValue()).isZero();
    } finally {
      storage.faults().release();
    }
    assertSound();
  }

  @Test
  void whatIsWrittenMeanwhileStays() {
    Path pattern = temp.path("pattern");
    Run.ok("sh", "-c", "tr '\\0' '\\125' < /dev/zero | head -c 5000 > " + pattern);
    try (Mounted mounted = mount("--prefetch=20M")) {
      for (long at = 1000; at < 44 * MIB; at += MIB) {
        Run.ok(
            "dd",
            "if=" + pattern,
            "of=" + mounted.disk(),
            "bs=5000",
            "seek=" + at,
            "oflag=seek_bytes",
            "conv=notrunc",
            "status=none");
      }
      awaitFinished();
      mounted.unmount();
    }
    QemuImg.run("check", overlay.toString());
    QemuIo io = QemuIo.on(overlay);
    for (long at = 0; at < 44 * MIB; at += MIB) {
      int below = at < 10 * MIB ? 0x11 : at < 40 * MIB ? 0 : 0x22;
      io.command("read -q -P " + below + " " + at + " 1000");
      io.command("read -q -P 0x55 " + (at + 1000) + " 5000");
      io.command("read -q -P " + below + " " + (at + 6000) + " " + (MIB - 6000));
    }
    io.run();
  }
}
