package org.qcowfs.it.storage;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.it.mount.Await;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.Sha256;
import org.qcowfs.it.support.TempImages;

/**
 * Real signals in the middle of commands: SIGUSR1 tells how far they are, SIGINT ends them without
 * harm. The images lie on storage whose reads hang until the test lets them go, one step after the
 * other: so a signal comes when it is to come, however slow the machine is.
 */
@Timeout(300)
class SignalIT {
  private static final int MIB = 1 << 20;
  private static final int SIZE = 16 * MIB;
  private static final int SIGUSR1_BIT = 9;

  private TempImages temp;
  private Path real;
  private BadStorage storage;

  @BeforeEach
  void makeImages() throws IOException {
    temp = TempImages.create("signal");
    real = temp.makeFolder("real");
    byte[] bytes = new byte[SIZE];
    new Random(1).nextBytes(bytes);
    Files.write(temp.path("base.raw"), bytes);
    Files.write(temp.path("other.raw"), new byte[SIZE]);
    qemuImg(temp.folder(), "convert -O qcow2 -o cluster_size=4k base.raw real/base.qcow2");
    qemuImg(temp.folder(), "convert -O qcow2 -o cluster_size=4k base.raw real/same.qcow2");
    qemuImg(temp.folder(), "convert -O qcow2 -S 0 other.raw real/other.qcow2");
    qemuImg(real, "create -f qcow2 -o cluster_size=4k -b base.qcow2 -F qcow2 overlay.qcow2");
    Run.ok("qemu-io", "-c", "write -q -P 7 0 5M", "-c", "write -q -P 9 9M 3M", "" + overlay());
    qemuImg(temp.folder(), "convert -O raw real/overlay.qcow2 disk.raw");
    storage = BadStorage.mountWritable(real, temp.makeFolder("slow"));
  }

  @AfterEach
  void cleanUp() {
    storage.close();
    temp.close();
  }

  private Path overlay() {
    return real.resolve("overlay.qcow2");
  }

  private static Run.Result qemuImg(Path folder, String words) {
    return qemuImgMay(folder, words).orFail();
  }

  private static Run.Result qemuImgMay(Path folder, String words) {
    List<String> command = new ArrayList<>(List.of("qemu-img"));
    command.addAll(List.of(words.split(" ")));
    return Run.run(Run.PATIENCE, command, folder, java.util.Map.of(), "");
  }

  private Process start(String words) throws IOException {
    return new ProcessBuilder(CliRun.command("-Xmx128m", words.split(" ")))
        .directory(storage.point().toFile())
        .redirectOutput(temp.path("out").toFile())
        .redirectError(temp.path("err").toFile())
        .start();
  }

  private String err() {
    return read("err");
  }

  private String read(String name) {
    try {
      return Files.readString(temp.path(name));
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static void signal(Process process, String name) {
    Run.ok("kill", "-" + name, Long.toString(process.pid()));
  }

  private static int exitCode(Process process) throws InterruptedException {
    assertThat(process.waitFor(Run.PATIENCE.toSeconds(), TimeUnit.SECONDS)).as("it ends").isTrue();
    return process.exitValue();
  }

  /** Whether the process has a handler for SIGUSR1, which else would end it. */
  private static boolean listens(Process process) {
    try {
      return Files.readAllLines(Path.of("/proc", "" + process.pid(), "status")).stream()
          .filter(line -> line.startsWith("SigCgt:"))
          .mapToLong(line -> Long.parseUnsignedLong(line.substring(7).strip(), 16))
          .anyMatch(caught -> (caught >>> SIGUSR1_BIT & 1) == 1);
    } catch (IOException e) {
      throw new AssertionError("it has ended", e);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "convert -O qcow2 base.qcow2 ../new.qcow2",
        "compare base.qcow2 same.qcow2",
        "check base.qcow2",
        "commit overlay.qcow2",
        "rebase -b other.qcow2 -F qcow2 overlay.qcow2",
        "amend -o refcount_bits=64 base.qcow2"
      })
  void usr1TellsHowFarItIs(String words) throws Exception {
    storage.faults().hang();
    Process process = start(words);
    try {
      stepUntil("a handler", () -> listens(process));
      signal(process, "USR1");
      Await.until("it answers", () -> err().contains("/100%)\n"));
      storage.faults().heal();
      assertThat(exitCode(process)).as(err()).isZero();
      assertThat(err()).matches("(?s) {4}\\(\\d+\\.\\d\\d/100%\\)\n");
      assertThat(read("out")).doesNotContain("100%");
    } finally {
      process.destroyForcibly().waitFor();
    }
  }

  @Test
  void ctrlCDuringConvertSaysThatTheTargetIsIncomplete() throws Exception {
    String before = Sha256.ofFile(real.resolve("base.qcow2"));
    Process process = interrupted("convert -O qcow2 base.qcow2 ../new.qcow2", 20);
    // It looks for an interrupt between two pieces. The JVM hands signals on in their order: when
    // this one has its answer, it has been interrupted.
    signal(process, "USR1");
    Await.until("it answers", () -> err().endsWith("/100%)\n"));
    storage.faults().setLatencyMillis(40);
    storage.faults().release();
    assertThat(exitCode(process)).isEqualTo(1);
    assertThat(err()).endsWith("%)\nqcowfs: interrupted; '../new.qcow2' is incomplete\n");
    assertThat(Sha256.ofFile(real.resolve("base.qcow2"))).isEqualTo(before);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "commit overlay.qcow2",
        "rebase -b other.qcow2 -F qcow2 overlay.qcow2",
        "amend -o refcount_bits=64 overlay.qcow2",
        "snapshot -c now overlay.qcow2"
      })
  void ctrlCHarmsNothing(String words) throws Exception {
    assertThat(exitCode(interrupted(words, 16))).as(err()).isEqualTo(130);
    storage.faults().heal();
    qemuImg(temp.folder(), "compare -F raw real/overlay.qcow2 disk.raw");
    for (String name : List.of("base.qcow2", "overlay.qcow2")) {
      Run.Result check = qemuImgMay(real, "check " + name);
      assertThat(check.exitCode()).as(check.toString()).isIn(0, 3); // leaks at most
    }
  }

  /** Starts a command and sends it SIGINT when it has asked for so many reads and waits. */
  private Process interrupted(String words, int reads) throws Exception {
    storage.faults().hang();
    long before = storage.faults().reads();
    Process process = start(words);
    stepUntil(reads + " reads", () -> storage.faults().reads() - before >= reads);
    signal(process, "INT");
    return process;
  }

  /** Lets a command have its reads until {@code condition} holds; the next read hangs then. */
  private void stepUntil(String what, BooleanSupplier condition) {
    Await.until(
        what,
        () -> {
          boolean holds = condition.getAsBoolean();
          if (!holds) {
            storage.faults().step();
          }
          return holds;
        });
    Await.until("it waits for a read", () -> storage.faults().hung() > 0);
  }
}
