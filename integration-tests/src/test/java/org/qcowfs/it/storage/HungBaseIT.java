package org.qcowfs.it.storage;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.qcowfs.it.mount.Await;
import org.qcowfs.it.storage.Faults.Call;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/** A base whose storage hangs: what does not need it goes on. */
@Timeout(300)
class HungBaseIT {
  private static final int CLUSTER = 1 << 16;
  private static final int CLUSTERS = 128;

  /** A hang lasts until the test ends it; nothing else takes so long, under any load. */
  private static final Duration SOON = Duration.ofSeconds(60);

  private TempImages temp;
  private byte[] content;
  private BadStorage storage;
  private final List<Process> processes = new ArrayList<>();

  @BeforeEach
  void makeBase() throws IOException {
    temp = TempImages.create("hungbase");
    content = new byte[CLUSTERS * CLUSTER];
    new Random(6).nextBytes(content);
    Path raw = Files.write(temp.path("raw"), content);
    Path folder = temp.makeFolder("real");
    QemuImg.run("convert", "-O", "qcow2", raw.toString(), folder.resolve("base.qcow2").toString());
    storage = BadStorage.mount(folder, temp.makeFolder("nfs"));
  }

  @AfterEach
  void cleanUp() {
    storage.faults().heal();
    processes.forEach(Process::destroyForcibly);
    storage.close();
    temp.close();
  }

  private Mounted mount(String... options) {
    return Mounted.mount(storage.path("base.qcow2"), temp.makeFolder("mnt"), options);
  }

  private Process read(Mounted mount, int cluster) throws IOException {
    Process process =
        new ProcessBuilder(
                "dd",
                "if=" + mount.disk(),
                "of=" + temp.path("read" + cluster),
                "bs=64k",
                "count=1",
                "iflag=direct",
                "skip=" + cluster)
            .redirectError(temp.path("err" + cluster).toFile())
            .start();
    processes.add(process);
    return process;
  }

  private void assertRead(Process reader, int cluster) throws Exception {
    assertThat(reader.waitFor(SOON.toSeconds(), TimeUnit.SECONDS)).isTrue();
    assertThat(reader.exitValue()).isZero();
    assertThat(Files.readAllBytes(temp.path("read" + cluster)))
        .isEqualTo(Arrays.copyOfRange(content, cluster * CLUSTER, (cluster + 1) * CLUSTER));
  }

  private void soon(String... command) {
    Run.run(SOON, List.of(command)).orFail();
  }

  /** Writes whole clusters durably. */
  private void write(Mounted mount, int cluster, int count) {
    write(mount, cluster, count, ",fsync");
  }

  private void write(Mounted mount, int cluster, int count, String how) {
    soon(
        "dd",
        "if=/dev/zero",
        "of=" + mount.disk(),
        "bs=64k",
        "count=" + count,
        "seek=" + cluster,
        "conv=notrunc" + how,
        "oflag=direct",
        "status=none");
    Arrays.fill(content, cluster * CLUSTER, (cluster + count) * CLUSTER, (byte) 0);
  }

  @Test
  void whatIsInTheOverlayGoesOnWhileManyReadersHang() throws Exception {
    try (Mounted mount = mount("--overlay=" + temp.path("overlay.qcow2"));
        AutoCloseable released = storage.faults()::release) {
      write(mount, 0, 16);
      storage.faults().hang();
      List<Process> readers = new ArrayList<>();
      for (int i = 0; i < 64; i++) {
        readers.add(read(mount, 32 + i));
      }
      Await.until("64 readers hang", () -> storage.faults().hung() >= 64);
      soon("dd", "if=" + mount.disk(), "of=/dev/null", "bs=1M", "count=1", "iflag=direct");
      write(mount, 4, 8);
      write(mount, 16, 8);
      soon("ls", "-lR", mount.point().toString());
      soon("stat", "-f", mount.point().toString());
      soon("stat", mount.disk().toString());
      // Part of a cluster needs the rest of it, which hangs: that writer waits, nobody else does.
      Process partly =
          new ProcessBuilder(
                  "dd",
                  "if=/dev/zero",
                  "of=" + mount.disk(),
                  "bs=4k",
                  "count=1",
                  "seek=" + (100 * CLUSTER + 4096) / 4096,
                  "conv=notrunc",
                  "oflag=direct")
              .redirectErrorStream(true)
              .start();
      processes.add(partly);
      Await.until("the writer hangs too", () -> storage.faults().hung() >= 65);
      // No fsync: the kernel itself has that wait for the writes of the file under way.
      write(mount, 24, 4, "");
      assertThat(readers).allMatch(Process::isAlive);
      assertThat(partly.isAlive()).isTrue();
      CliRun.run(SOON, Path.of("."), Map.of(), "-Xmx64m", "umount", "-l", mount.point().toString())
          .orFail();
      storage.faults().release();
      for (int i = 0; i < readers.size(); i++) {
        assertRead(readers.get(i), 32 + i);
      }
      assertThat(partly.waitFor(SOON.toSeconds(), TimeUnit.SECONDS)).isTrue();
      assertThat(partly.exitValue()).isZero();
      assertThat(mount.server().waitFor(SOON.toSeconds(), TimeUnit.SECONDS)).isTrue();
      assertThat(mount.server().exitValue()).isZero();
    }
    Arrays.fill(content, 100 * CLUSTER + 4096, 100 * CLUSTER + 8192, (byte) 0);
    Path after = temp.path("after");
    QemuImg.toRaw(temp.path("overlay.qcow2"), "qcow2", after);
    assertThat(Files.readAllBytes(after)).isEqualTo(content);
    QemuImg.run("check", temp.path("overlay.qcow2").toString());
  }

  @Test
  void workersLeaveWhenTheyAreIdleAgain() throws Exception {
    try (Mounted mount = mount();
        AutoCloseable released = storage.faults()::release) {
      int before = Math.max(2, Math.min(Runtime.getRuntime().availableProcessors(), 8));
      Await.until("the first workers run", () -> workers(mount) == before);
      storage.faults().hang();
      List<Process> readers = new ArrayList<>();
      for (int i = 0; i < 16; i++) {
        readers.add(read(mount, i));
      }
      Await.until("16 readers hang", () -> storage.faults().hung() >= 16);
      Await.until("one more is free", () -> workers(mount) > 16);
      storage.faults().release();
      for (int i = 0; i < readers.size(); i++) {
        assertRead(readers.get(i), i);
      }
      Await.until(
          "the workers are as many as before",
          () -> {
            Run.ok("stat", "-f", mount.point().toString()); // each leaves with a request
            return workers(mount) == before;
          });
    }
  }

  private static int workers(Mounted mount) {
    try (var threads = Files.list(Path.of("/proc/" + mount.server().pid() + "/task"))) {
      return (int)
          threads
              .filter(
                  thread -> {
                    try {
                      return Files.readString(thread.resolve("comm")).startsWith("fuse-worker-");
                    } catch (IOException e) {
                      return false;
                    }
                  })
              .count();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static void signal(Process process, String signal) {
    Run.ok("kill", "-" + signal, Long.toString(process.pid()));
  }

  private void assertInterruptible(Mounted mount) throws Exception {
    soon("stat", mount.disk().toString()); // counts the blocks, now and not when it hangs
    storage.faults().hang();
    Process stopped = read(mount, 40);
    Process reporting = read(mount, 41);
    Await.until("both hang", () -> storage.faults().hung() == 2);
    signal(reporting, "USR1"); // dd says how far it is, and goes on
    signal(stopped, "INT");
    assertThat(stopped.waitFor(SOON.toSeconds(), TimeUnit.SECONDS)).isTrue();
    assertThat(storage.faults().hung()).isEqualTo(2);
    assertThat(reporting.isAlive()).isTrue();
    storage.faults().release();
    assertRead(reporting, 41);
    assertRead(read(mount, 42), 42);
  }

  @Test
  void anInterruptedReaderReturnsAtOnce() throws Exception {
    try (Mounted mount = mount();
        AutoCloseable released = storage.faults()::release) {
      assertInterruptible(mount);
    }
    try (Mounted mount = mount("--overlay");
        AutoCloseable released = storage.faults()::release) {
      assertInterruptible(mount);
    }
  }

  /** Who asks for holes of a raw base asks its storage. */
  @Test
  void anInterruptedSearchForHolesReturnsAtOnce() throws Exception {
    Path raw = temp.path("real/base.raw");
    Files.write(raw, content);
    Run.ok("truncate", "-s", "32M", raw.toString());
    for (String option : new String[] {"--overlay", "--backing=any"}) {
      try (Mounted mount =
              Mounted.mount(
                  storage.path("base.raw"), temp.makeFolder("mnt"), "--format=raw", option);
          AutoCloseable released = storage.faults()::release) {
        soon("stat", mount.disk().toString());
        storage.faults().hang(Call.SEEK);
        // An open writer sends the question to another thread.
        String program = option.equals("--overlay") ? "exec 3<>\"$0\"; " : "";
        Process seeker =
            new ProcessBuilder(
                    "sh",
                    "-c",
                    program + "exec cp --sparse=always \"$0\" \"$1\"",
                    mount.disk().toString(),
                    temp.path("copy").toString())
                .start();
        processes.add(seeker);
        Await.until("it hangs", () -> storage.faults().hung(Call.SEEK) == 1);
        signal(seeker, "INT");
        assertThat(seeker.waitFor(SOON.toSeconds(), TimeUnit.SECONDS)).isTrue();
        assertThat(storage.faults().hung(Call.SEEK)).isEqualTo(1);
        storage.faults().release();
        assertRead(read(mount, 42), 42);
        mount.unmount();
      }
    }
  }

  @Test
  void aHungSearchForHolesBecomesAnError() throws Exception {
    Path raw = temp.path("real/base.raw");
    Files.write(raw, content);
    Run.ok("truncate", "-s", "32M", raw.toString());
    try (Mounted mount =
            Mounted.mount(
                storage.path("base.raw"),
                temp.makeFolder("mnt"),
                "--format=raw",
                "--io-timeout=3");
        AutoCloseable released = storage.faults()::release) {
      soon("stat", mount.disk().toString());
      storage.faults().hang(Call.SEEK);
      Run.Result copy =
          Run.run(
              SOON, List.of("cp", "--sparse=always", "" + mount.disk(), "" + temp.path("copy")));
      assertThat(copy.err()).contains("Input/output error");
      storage.faults().release();
      Run.ok("cp", "--sparse=always", "" + mount.disk(), "" + temp.path("copy"));
      Run.ok("cmp", "" + raw, "" + temp.path("copy"));
      mount.unmount();
    }
  }
}
