package org.qcowfs.it.storage;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.it.mount.Await;
import org.qcowfs.it.storage.Faults.Call;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/** Storage that hangs while a mount begins. */
@Timeout(300)
class HungMountIT {
  private TempImages temp;
  private Path real;
  private BadStorage storage;
  private Faults faults;
  private Path base;
  private Path overlay;
  private final List<Process> processes = new ArrayList<>();

  @BeforeEach
  void makeBase() {
    temp = TempImages.create("hungmount");
    real = temp.makeFolder("real");
    QemuImg.create(real.resolve("base.qcow2"), 1 << 20);
    storage = BadStorage.mountWritable(real, temp.makeFolder("nfs"));
    faults = storage.faults();
    base = storage.path("base.qcow2");
    overlay = temp.path("overlay.qcow2");
  }

  @AfterEach
  void cleanUp() {
    faults.heal();
    processes.forEach(Process::destroyForcibly);
    storage.close();
    temp.close();
  }

  /** A mount that stays in the foreground. */
  private Process start(String name, String... options) throws IOException {
    List<String> arguments = new ArrayList<>(List.of("mount", "--foreground"));
    arguments.addAll(List.of(options));
    arguments.add(temp.makeFolder(name).toString());
    Process process =
        new ProcessBuilder(CliRun.command("-Xmx64m", arguments.toArray(String[]::new)))
            .redirectErrorStream(true)
            .redirectOutput(said(name).toFile())
            .start();
    processes.add(process);
    return process;
  }

  private Path said(String name) {
    return temp.path(name + ".out");
  }

  private static String text(Path file) {
    try {
      return Files.exists(file) ? Files.readString(file) : "";
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /** The kernel lets go of a process only when the opens that it waits for are answered. */
  private void assertGivesUp(String name, Call call, String... options) throws Exception {
    faults.hang(call);
    Process mount = start(name, options);
    Await.until(call + " is given up", () -> text(said(name)).endsWith("\n"));
    assertThat(text(said(name)).lines())
        .singleElement()
        .asString()
        .contains(base.toString(), "no answer to ")
        .endsWith(" within 3.0 s (--io-timeout)");
    faults.release();
    assertThat(mount.waitFor()).isEqualTo(1);
    assertThat(Mounted.isMountPoint(temp.path(name))).isFalse();
  }

  @Test
  void aBaseThatCannotBeOpenedInTimeIsAnError() throws Exception {
    assertGivesUp("a", Call.OPEN, "--io-timeout=3", base.toString());
    QemuImg.createOverlay(overlay, base.toString(), "qcow2");
    assertGivesUp("b", Call.STAT, "--io-timeout=3", "--overlay=" + overlay, base.toString());
    assertGivesUp("d", Call.READ, "--io-timeout=3", "--rw", "--verify-base", overlay.toString());
  }

  @Test
  void locksOfABaseAreWaitedForInVainOnceAndThoseOfAnImageToTheEnd() throws Exception {
    QemuImg.create(real.resolve("image.qcow2"), 1 << 20);
    faults.hang(Call.LOCK);
    Process writer = start("writer", "--rw", storage.path("image.qcow2").toString());
    Process reader = start("reader", "--overlay", base.toString());
    Await.until("it is mounted", () -> Mounted.isMountPoint(temp.path("reader")));
    assertThat(text(said("reader")).lines())
        .singleElement()
        .asString()
        .contains("warning: " + base + ": the file server grants no locks yet (waited 5 s); ");
    Path disk = temp.path("reader/disk.raw");
    Run.ok("cmp", "-n", "1048576", disk.toString(), "/dev/zero");
    assertThat(text(said("writer"))).isEmpty();
    assertThat(writer.isAlive()).isTrue();
    assertThat(Mounted.isMountPoint(temp.path("writer"))).isFalse();
    // It takes them as soon as it can, and says who stands against it.
    faults.fail(Call.LOCK, Errno.EAGAIN);
    faults.release();
    assertThat(writer.waitFor()).isEqualTo(1);
    assertThat(text(said("writer"))).contains("Failed to lock byte ").contains("image.qcow2'?");
    Await.until(
        "the refusal is said",
        () -> text(said("reader")).contains("warning: " + base + ": Failed to lock byte "));
    Run.ok("umount", temp.path("reader").toString());
    assertThat(reader.waitFor()).isZero();
  }
}
