package org.qcowfs.it.storage;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.qcowfs.it.mount.Await;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.Json;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/** {@code --prefetch} together with what else can be asked of a mount over a distant base. */
@Timeout(300)
class PrefetchOptionsIT {
  private static final long MIB = 1 << 20;

  /** Of the base, whose clusters are in an external data file. */
  private static final long SIZE = 1L << 40;

  private TempImages temp;
  private Path real;
  private Path overlay;
  private Path point;
  private Path log;
  private BadStorage storage;

  @BeforeEach
  void makeBase() {
    temp = TempImages.create("prefetchoptions");
    Path folder = temp.makeFolder("real");
    real = folder.resolve("base.qcow2");
    overlay = temp.path("overlay.qcow2");
    point = temp.makeFolder("mnt");
    log = temp.path("log");
    inFolder(
        "qemu-img create -q -f qcow2 -o cluster_size=2M,data_file=base.data base.qcow2 1T",
        "qemu-io -c 'write -q -P 0x11 0 4M' -c 'write -q -P 0x22 512G 4M' base.qcow2");
    storage = BadStorage.mount(folder, temp.makeFolder("net"));
  }

  @AfterEach
  void cleanUp() {
    storage.close();
    temp.close();
  }

  private Mounted mount(String... options) {
    List<String> all = new ArrayList<>(List.of(options));
    all.add("--overlay=" + overlay);
    all.add("--log-file=" + log);
    return Mounted.mount(storage.path("base.qcow2"), point, all.toArray(String[]::new));
  }

  private Json.JsonObject state() {
    try {
      String text = Files.readString(point.resolve("prefetch.json"));
      return Json.objects("[" + text + "]").get(0);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void await(String state) {
    Await.until("the prefetch is " + state, () -> state().text("state").equals(state));
  }

  /** Runs what opens the base in its folder: QEMU looks for a data file in the current one. */
  private void inFolder(String... commands) {
    for (String command : commands) {
      String script = "cd '" + real.getParent() + "' && " + command;
      Run.Result result = Run.ok("sh", "-c", script);
      assertThat(result.out()).doesNotContain("verification failed");
    }
  }

  private void assertSound(String command) {
    inFolder(
        "qemu-img check -q " + overlay,
        "qemu-io -c 'read -q -P 0x11 0 4M' -c 'read -q -P 0 4M 4M' -c 'read -q -P 0x22 512G 4M' -c '"
            + command
            + "' "
            + overlay);
  }

  @Test
  void theDiskMayGrowMeanwhile() throws IOException {
    try (Mounted mounted = mount("--prefetch", "--growable")) {
      Run.ok("truncate", "-s", Long.toString(SIZE + MIB), mounted.disk().toString());
      Files.writeString(temp.path("text"), "x".repeat(4096));
      Run.ok(
          "dd",
          "if=" + temp.path("text"),
          "of=" + mounted.disk(),
          "bs=4k",
          "oflag=seek_bytes",
          "seek=" + (SIZE + MIB),
          "conv=notrunc",
          "status=none");
      await("finished");
      assertThat(Files.size(mounted.disk())).isEqualTo(SIZE + MIB + 4096);
      mounted.unmount();
    }
    assertSound("read -q -P 0x78 " + (SIZE + MIB) + " 4096");
  }

  @Test
  void whatATimeLimitEndsIsFetchedByTheNext() throws IOException {
    try (Mounted mounted = mount("--prefetch=1M", "--io-timeout=3")) {
      Await.until("some is there", () -> state().number("copied") > 0);
      storage.faults().hang();
      Await.until("a read is given up", () -> read(log).contains("no answer to a read within"));
      storage.faults().release();
      await("incomplete");
      mounted.unmount();
    }
    try (Mounted mounted = mount("--prefetch", "--io-timeout=20")) {
      await("finished");
      mounted.unmount();
    }
    assertSound("read -q -P 0 8M 1M");
  }

  private static String read(Path file) {
    try {
      return Files.exists(file) ? Files.readString(file) : "";
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Of a base of any size: so few reads that the latency of a distant one is no matter. */
  @Test
  void theRecordOfALargeBaseReadsLittleOfIt() throws IOException {
    long before = storage.faults().reads();
    long bytes = storage.faults().bytesRead();
    try (Mounted mounted =
        Mounted.mount(storage.path("base.qcow2"), point, "--overlay=" + overlay)) {
      mounted.unmount();
    }
    long plain = storage.faults().reads() - before;
    long plainBytes = storage.faults().bytesRead() - bytes;
    before = storage.faults().reads();
    bytes = storage.faults().bytesRead();
    try (Mounted mounted =
        Mounted.mount(storage.path("base.qcow2"), point, "--overlay=" + overlay, "--verify-base")) {
      mounted.unmount();
    }
    // 32 samples of each of the two files, and one more look at the header and the tables.
    assertThat(storage.faults().reads() - before - plain).isBetween(64L, 100L);
    assertThat(storage.faults().bytesRead() - bytes - plainBytes).isLessThan(4 * MIB);
    try (Mounted mounted = mount("--prefetch", "--verify-base")) {
      await("finished");
      mounted.unmount();
    }
    assertSound("read -q -P 0 8M 1M");
    Run.ok("touch", real.resolveSibling("base.data").toString());
    Run.Result refused =
        CliRun.run(
            "mount",
            "-f",
            "--overlay=" + overlay,
            "--verify-base",
            storage.path("base.qcow2").toString(),
            point.toString());
    assertThat(refused.exitCode()).isEqualTo(1);
    assertThat(refused.err()).contains("base.data': modified is ");
  }
}
