package org.qcowfs.it.storage;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.it.mount.Await;
import org.qcowfs.it.storage.Faults.Call;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/**
 * A base whose storage fails, loses handles, lacks features, or changes behind our back (rows R35
 * of the bad inputs).
 */
@Timeout(300)
class FailingBaseIT {
  private static final int CLUSTER = 1 << 16;
  private static final int CLUSTERS = 32;
  private static final Duration SOON = Duration.ofSeconds(60);

  private TempImages temp;
  private byte[] content;
  private Path real;
  private Path base;
  private Path log;
  private BadStorage storage;
  private Faults faults;

  @BeforeEach
  void makeBase() throws IOException {
    temp = TempImages.create("failingbase");
    content = new byte[CLUSTERS * CLUSTER];
    new Random(7).nextBytes(content);
    Path raw = Files.write(temp.path("raw"), content);
    Path folder = temp.makeFolder("real");
    real = folder.resolve("base.qcow2");
    QemuImg.run("convert", "-O", "qcow2", raw.toString(), real.toString());
    storage = BadStorage.mount(folder, temp.makeFolder("nfs"));
    faults = storage.faults();
    base = storage.path("base.qcow2");
    log = temp.path("log");
  }

  @AfterEach
  void cleanUp() {
    storage.close();
    temp.close();
  }

  private Mounted mount(String... options) {
    String[] all = Arrays.copyOf(options, options.length + 3);
    all[options.length] = "--overlay";
    all[options.length + 1] = "--log-file";
    all[options.length + 2] = log.toString();
    return Mounted.mount(base, temp.makeFolder("mnt"), all);
  }

  /** Reads a cluster past the kernel's cache. */
  private Run.Result read(Mounted mount, int cluster) {
    return Run.run(
        SOON,
        List.of(
            "dd",
            "if=" + mount.disk(),
            "of=" + temp.path("out"),
            "bs=64k",
            "count=1",
            "iflag=direct",
            "status=none",
            "skip=" + cluster));
  }

  private void assertReads(Mounted mount, int cluster) throws IOException {
    read(mount, cluster).orFail();
    assertThat(Files.readAllBytes(temp.path("out")))
        .isEqualTo(Arrays.copyOfRange(content, cluster * CLUSTER, (cluster + 1) * CLUSTER));
  }

  private void assertFails(Mounted mount, int cluster) {
    assertThat(read(mount, cluster).err()).contains("Input/output error");
  }

  private List<String> log() {
    try {
      return Files.exists(log) ? Files.readAllLines(log) : List.of();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /** Reads {@code count} clusters at the same time; they hang, all but what is refused at once. */
  private void assertAllFail(Mounted mount, int count, int hung) throws Exception {
    List<Process> readers = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      readers.add(
          new ProcessBuilder(
                  "dd",
                  "if=" + mount.disk(),
                  "of=/dev/null",
                  "bs=64k",
                  "count=1",
                  "iflag=direct",
                  "skip=" + (1 + i % (CLUSTERS - 1)))
              .redirectErrorStream(true)
              .start());
    }
    for (Process reader : readers) {
      assertThat(reader.inputReader().lines()).anyMatch(line -> line.endsWith("output error"));
    }
    assertThat(faults.hung()).isEqualTo(hung);
  }

  @Test
  void aHangBecomesAnErrorAndIsSaidOnce() throws Exception {
    Duration limit = Duration.ofSeconds(3);
    try (Mounted mount = mount("--io-timeout", "3")) {
      assertReads(mount, 0);
      faults.hang();
      assertAllFail(mount, 2, 2);
      // 32 are left behind at most; who comes then is told at once.
      assertAllFail(mount, 40, 32);
      long begin = System.nanoTime();
      for (int i = 0; i < 20; i++) {
        assertFails(mount, 1);
      }
      assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(limit.multipliedBy(20));
      assertThat(faults.hung()).isEqualTo(32);
      faults.release();
      // Each of those left behind has to learn that it has its answer.
      Await.until("it reads again", () -> read(mount, 1).exitCode() == 0);
      assertReads(mount, 1);
      assertReads(mount, 2);
      assertThat(log()).hasSize(2);
      assertThat(log().get(0)).contains(base + ": no answer to a read within 3.0 s");
      assertThat(log().get(1)).contains(base + ": answers again");
    }
  }

  @Test
  void anErrorIsToldOrTriedAgain() throws Exception {
    try (Mounted mount = mount()) {
      assertReads(mount, 0);
      faults.fail(Call.READ, Errno.EIO);
      assertFails(mount, 1);
      faults.fail(Call.READ, 0);
      assertReads(mount, 1);
    }
    Files.delete(log);
    try (Mounted mount = mount("--on-error=retry")) {
      assertReads(mount, 0);
      faults.fail(Call.READ, Errno.EIO);
      Process reader =
          new ProcessBuilder(
                  "dd",
                  "if=" + mount.disk(),
                  "of=" + temp.path("out"),
                  "bs=64k",
                  "count=1",
                  "skip=3",
                  "iflag=direct")
              .redirectErrorStream(true)
              .start();
      Await.until("it is said", () -> log().size() == 1);
      assertThat(log().get(0)).contains(base.toString()).contains("trying again");
      long before = faults.reads();
      Await.until("it is tried again", () -> faults.reads() > before);
      assertThat(reader.isAlive()).isTrue();
      faults.fail(Call.READ, 0);
      assertThat(reader.waitFor(SOON.toSeconds(), TimeUnit.SECONDS)).isTrue();
      assertThat(reader.exitValue()).isZero();
      assertThat(Files.readAllBytes(temp.path("out")))
          .isEqualTo(Arrays.copyOfRange(content, 3 * CLUSTER, 4 * CLUSTER));
      assertThat(log()).hasSize(2);
      // Who gives up is let go, and so is the mount.
      faults.fail(Call.READ, Errno.EIO);
      Process other =
          new ProcessBuilder(
                  "dd",
                  "if=" + mount.disk(),
                  "of=/dev/null",
                  "bs=64k",
                  "count=1",
                  "skip=5",
                  "iflag=direct")
              .redirectErrorStream(true)
              .start();
      Await.until("it is said", () -> log().size() == 3);
      Run.ok("kill", "-INT", Long.toString(other.pid()));
      assertThat(other.waitFor(SOON.toSeconds(), TimeUnit.SECONDS)).isTrue();
    }
  }

  @Test
  void aLostHandleIsOpenedAgain() throws IOException {
    try (Mounted mount = mount()) {
      assertReads(mount, 0);
      faults.loseHandles();
      assertReads(mount, 1);
      assertReads(mount, 2);
      assertThat(log())
          .singleElement()
          .asString()
          .contains(base.toString())
          .contains("Stale file handle");
    }
  }

  @Test
  void aLostHandleOfAnotherFileByNowIsAnError() throws IOException {
    try (Mounted mount = mount()) {
      assertReads(mount, 0);
      Path other = Files.copy(real, temp.path("real/other"));
      FileTime time = Files.getLastModifiedTime(real);
      Files.move(other, real, StandardCopyOption.REPLACE_EXISTING);
      Files.setLastModifiedTime(real, time);
      faults.loseHandles();
      assertFails(mount, 1);
      assertThat(log())
          .singleElement()
          .asString()
          .contains(base.toString())
          .contains("it is another file now (inode was ");
    }
  }

  @Test
  void aBaseThatIsWrittenToIsRefusedFromThenOn() throws IOException {
    try (Mounted mount = mount()) {
      assertReads(mount, 0);
      try (RandomAccessFile file = new RandomAccessFile(real.toFile(), "rw")) {
        file.seek(file.length() - CLUSTER);
        file.write(new byte[CLUSTER]);
      }
      Await.until("the change is seen", () -> read(mount, 1).err().contains("Input/output error"));
      assertFails(mount, 2);
      assertThat(log().get(0)).contains(base.toString()).contains("it was written to (mod");
      // What is in the overlay is as it was.
      Run.ok(
          "dd",
          "if=/dev/zero",
          "of=" + mount.disk(),
          "bs=64k",
          "count=1",
          "oflag=direct",
          "conv=notrunc,fsync",
          "status=none");
      Arrays.fill(content, 0, CLUSTER, (byte) 0);
      assertReads(mount, 0);
    }
  }

  @Test
  void whatIsCutOffIsAnErrorAndNeverZeroes() throws IOException {
    try (Mounted mount = mount()) {
      assertReads(mount, 0);
      try (RandomAccessFile file = new RandomAccessFile(real.toFile(), "rw")) {
        file.setLength(file.length() - CLUSTER);
      }
      assertFails(mount, CLUSTERS - 1);
      assertThat(log().get(0)).contains(base.toString()).contains("its size was ");
      assertFails(mount, 1);
    }
  }

  @Test
  void aBaseWithoutLocksAndHolesAndRightsForRootIsRead() throws IOException {
    faults.fail(Call.LOCK, Errno.ENOLCK);
    faults.setSeekable(false);
    faults.setRootSquashed(true);
    try (Mounted mount = mount()) {
      assertReads(mount, 9);
      Run.ok("cp", "--sparse=always", mount.disk().toString(), temp.path("copy").toString());
      assertThat(Files.readAllBytes(temp.path("copy"))).isEqualTo(content);
    }
    Run.ok("chmod", "600", real.toString());
    Run.Result refused = CliRun.run("mount", base.toString(), temp.path("mnt").toString());
    assertThat(refused.exitCode()).isEqualTo(1);
    assertThat(refused.err().lines())
        .singleElement()
        .asString()
        .contains("'" + base + "': Permission denied")
        .contains("root_squash");
  }

  @Test
  void thatThereAreNoLocksIsSaidOnce() throws Exception {
    for (int errno : new int[] {Errno.ENOLCK, Errno.ENOSYS, Errno.EOPNOTSUPP}) {
      faults.fail(Call.LOCK, errno);
      List<String> warnings = new ArrayList<>();
      Images.open(base.toString(), OpenOptions.readOnly().withWarnings(warnings::add)).close();
      assertThat(warnings)
          .singleElement()
          .asString()
          .contains("has no locks (" + Errno.text(errno) + ")");
    }
  }

  @Test
  void aReadOnlyExportIsNotWrittenTo() {
    Run.Result refused =
        CliRun.run("mount", "--rw", base.toString(), temp.makeFolder("m").toString());
    assertThat(refused.exitCode()).isEqualTo(1);
    assertThat(refused.err()).contains("Read-only file system");
  }

  @Test
  void anOverlayMayLieOnStorageThatCanDoLittle() throws IOException {
    Path folder = temp.makeFolder("real2");
    Files.copy(real, folder.resolve("base.qcow2"));
    Path overlay = folder.resolve("overlay.qcow2");
    QemuImg.createOverlay(overlay, "base.qcow2", "qcow2");
    try (BadStorage writable = BadStorage.mountWritable(folder, temp.makeFolder("nfs2"))) {
      writable.faults().fail(Call.LOCK, Errno.ENOLCK);
      writable.faults().setSeekable(false);
      try (Mounted mount =
          Mounted.mount(
              writable.path("base.qcow2"),
              temp.makeFolder("mnt2"),
              "--overlay=" + writable.path("overlay.qcow2"))) {
        Run.ok(
            "dd",
            "if=/dev/zero",
            "of=" + mount.disk(),
            "bs=4k",
            "count=40",
            "seek=9",
            "conv=notrunc,fsync",
            "status=none");
        Run.ok("fallocate", "-p", "-o", "1m", "-l", "100k", mount.disk().toString());
        Run.ok("fallocate", "-o", "0", "-l", "64k", mount.disk().toString());
      }
    }
    Arrays.fill(content, 9 * 4096, 49 * 4096, (byte) 0);
    Arrays.fill(content, 1 << 20, (1 << 20) + 100 * 1024, (byte) 0);
    Path after = temp.path("after");
    QemuImg.toRaw(overlay, "qcow2", after);
    assertThat(Files.readAllBytes(after)).isEqualTo(content);
    QemuImg.run("check", overlay.toString());
  }
}
