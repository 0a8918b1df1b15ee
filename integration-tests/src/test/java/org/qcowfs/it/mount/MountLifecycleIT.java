package org.qcowfs.it.mount;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

class MountLifecycleIT {
  private TempImages temp;
  private Path image;
  private Path point;
  private Path pidFile;

  @BeforeEach
  void makeImage() throws IOException {
    Requires.root();
    Requires.fuse();
    temp = TempImages.create("lifecycle");
    image = temp.path("disk.raw");
    point = temp.makeFolder("mnt");
    pidFile = temp.path("pid");
    try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
      file.setLength(1 << 20);
      file.write("hello".getBytes(UTF_8));
    }
  }

  @AfterEach
  void cleanUp() {
    if (Mounted.isMountPoint(point)) {
      Run.run(Run.PATIENCE, List.of("umount", "-l", point.toString()));
    }
    temp.close();
  }

  private Run.Result tryMount(String... options) {
    String[] arguments = new String[options.length + 3];
    arguments[0] = "mount";
    System.arraycopy(options, 0, arguments, 1, options.length);
    arguments[arguments.length - 2] = image.toString();
    arguments[arguments.length - 1] = point.toString();
    return Run.run(Run.PATIENCE, CliRun.detached("-Xmx64m", arguments));
  }

  private ServingProcess mount(String... options) {
    String[] all = new String[options.length + 2];
    all[0] = "--pid-file";
    all[1] = pidFile.toString();
    System.arraycopy(options, 0, all, 2, options.length);
    tryMount(all).orFail();
    return ServingProcess.ofPidFile(pidFile);
  }

  private Path disk() {
    return point.resolve("disk.raw");
  }

  private static String refusal(Run.Result result) {
    assertThat(result.exitCode()).as(result.toString()).isEqualTo(1);
    assertThat(result.err().lines()).as(result.toString()).hasSize(1);
    return result.err();
  }

  @Test
  void theMountAnswersWhenTheCommandReturns() throws IOException {
    ServingProcess process = mount();

    assertThat(process.isRunning()).isTrue();
    try (RandomAccessFile file = new RandomAccessFile(disk().toFile(), "r")) {
      byte[] start = new byte[5];
      file.readFully(start);
      assertThat(new String(start, UTF_8)).isEqualTo("hello");
    }
  }

  @Test
  void aMountInTheBackgroundHasLeftTerminalAndFolder() throws IOException {
    ServingProcess process = mount();

    Path proc = Path.of("/proc/" + process.pid());
    for (String descriptor : List.of("0", "1", "2")) {
      assertThat(Files.readSymbolicLink(proc.resolve("fd/" + descriptor)))
          .isEqualTo(Path.of("/dev/null"));
    }
    assertThat(Files.readSymbolicLink(proc.resolve("cwd"))).isEqualTo(Path.of("/"));
    String stat = Files.readString(proc.resolve("stat"));
    String session = stat.substring(stat.lastIndexOf(')') + 2).split(" ")[3];
    assertThat(session).as("session").isEqualTo(Long.toString(process.pid()));
  }

  @Test
  void umountReturnsWhenTheProcessHasEnded() {
    ServingProcess process = mount();

    CliRun.ok("umount", point.toString());

    assertThat(process.isRunning()).isFalse();
    assertThat(Mounted.isMountPoint(point)).isFalse();
    assertThat(pidFile).doesNotExist();
  }

  @Test
  void mountsListsImageMountPointAndProcess() {
    ServingProcess process = mount();

    String human = CliRun.ok("mounts").out();
    assertThat(human.lines().filter(l -> l.contains(point.toString())))
        .hasSize(1)
        .first()
        .asString()
        .startsWith(image + " on " + point + " (process " + process.pid() + ", ro,");
    assertThat(CliRun.ok("mounts", "--output=json").out())
        .contains("\"image\": \"" + image + "\"", "\"pid\": " + process.pid());
    CliRun.ok("umount", point.toString());
    assertThat(CliRun.ok("ls").out()).doesNotContain(point.toString());
  }

  @Test
  void theMountTableNamesImageAndType() throws IOException {
    mount();

    assertThat(Files.readString(Path.of("/proc/self/mounts")))
        .contains(image + " " + point + " fuse.qcowfs ro,");
  }

  @ParameterizedTest
  @ValueSource(strings = {"TERM", "INT", "HUP"})
  void aSignalUnmounts(String signal) {
    ServingProcess process = mount();

    process.signal(signal);

    process.awaitEnd();
    assertThat(Mounted.isMountPoint(point)).isFalse();
    assertThat(pidFile).doesNotExist();
  }

  @Test
  void aSignalWithAFileOpenServesOnUntilItIsClosed() throws IOException {
    ServingProcess process = mount();
    try (RandomAccessFile file = new RandomAccessFile(disk().toFile(), "r")) {
      process.signal("TERM");
      Await.until("the mount is detached", () -> !Mounted.isMountPoint(point));

      byte[] start = new byte[5];
      file.readFully(start);
      assertThat(new String(start, UTF_8)).isEqualTo("hello");
      assertThat(process.isRunning()).isTrue();
    }
    process.awaitEnd();
  }

  @Test
  void anyonesUmountEndsTheProcess() {
    ServingProcess process = mount();

    Run.ok("fusermount", "-u", point.toString());

    process.awaitEnd();
  }

  @Test
  void theForegroundEndsWithCodeZeroOnASignal() throws Exception {
    Process process =
        new ProcessBuilder(
                CliRun.command("-Xmx64m", "mount", "-f", image.toString(), point.toString()))
            .redirectErrorStream(true)
            .redirectOutput(temp.path("out").toFile())
            .start();
    Await.until("the mount is there", () -> Files.exists(disk()));

    process.destroy();

    assertThat(process.waitFor()).as(Files.readString(temp.path("out"))).isZero();
    assertThat(Mounted.isMountPoint(point)).isFalse();
  }

  @Test
  void aBusyMountStaysAndItsHolderIsNamed() throws IOException {
    ServingProcess process = mount();
    try (RandomAccessFile file = new RandomAccessFile(disk().toFile(), "r")) {
      String message = refusal(CliRun.run("umount", point.toString()));

      assertThat(file.read()).isEqualTo('h');
      assertThat(message)
          .contains("(pid " + ProcessHandle.current().pid() + ": " + disk() + ")")
          .startsWith("qcowfs: Could not unmount '" + point + "': it is used by ");
      assertThat(process.isRunning()).isTrue();
    }
    CliRun.ok("umount", point.toString());
    assertThat(process.isRunning()).isFalse();
  }

  @Test
  void theMountOfAKilledProcessIsCleanedUp() {
    ServingProcess process = mount();
    process.signal("KILL");
    process.awaitEnd();

    assertThat(refusal(tryMount())).isEqualTo(gone());
    CliRun.ok("umount", point.toString());

    assertThat(Mounted.isMountPoint(point)).isFalse();
    mount();
  }

  private String gone() {
    String name = "'" + point + "'";
    return "qcowfs: %s is a mount whose process is gone; 'qcowfs umount %s' removes it\n"
        .formatted(name, point);
  }

  @Test
  void aProcessThatDiesWhileItIsAskedIsGoneToo() throws Exception {
    ServingProcess process = mount();
    process.signal("STOP");
    Path said = temp.path("said");
    Process second =
        new ProcessBuilder(
                CliRun.command("-Xmx64m", "mount", "-f", image.toString(), point.toString()))
            .redirectErrorStream(true)
            .redirectOutput(said.toFile())
            .start();
    Await.until("it waits for an answer", () -> waitsForAnswer(second.pid()));
    process.signal("KILL");

    assertThat(second.waitFor()).isEqualTo(1);
    assertThat(said).hasContent(gone());
    CliRun.ok("umount", point.toString());
    assertThat(Mounted.isMountPoint(point)).isFalse();
  }

  /** Whether a thread of the process is where the kernel waits for a FUSE file system. */
  private static boolean waitsForAnswer(long pid) {
    try (Stream<Path> threads = Files.list(Path.of("/proc/" + pid + "/task"))) {
      return threads.anyMatch(thread -> read(thread.resolve("wchan")).contains("wait_answer"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Empty if the thread has ended. */
  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      return "";
    }
  }

  @Test
  void umountOfWhatIsNotMountedSaysSo() {
    assertThat(refusal(CliRun.run("umount", point.toString())))
        .isEqualTo("qcowfs: '" + point + "' is not mounted\n");
    assertThat(refusal(CliRun.run("umount", "/proc"))).contains("not by us");
  }

  @Test
  void aSecondMountOnTheSameFolderIsRefused() {
    mount();

    assertThat(refusal(tryMount()))
        .isEqualTo("qcowfs: '" + image + "' is already mounted on '" + point + "'\n");
  }

  @Test
  void errorsReachTheTerminalAndTheExitCode() throws IOException {
    assertThat(refusal(tryMount("-o", "rw"))).isEqualTo("qcowfs: -o rw needs --rw or --overlay\n");
    assertThat(refusal(tryMount("-o", "no_such_option"))).contains("no_such_option");
    assertThat(refusal(tryMount("--format", "nonsense"))).contains("nonsense");
    Files.createFile(point.resolve("something"));
    assertThat(refusal(tryMount())).contains("is not empty");
    Files.delete(point.resolve("something"));
    Files.delete(point);
    assertThat(refusal(tryMount())).isEqualTo("qcowfs: '" + point + "' does not exist\n");
    Files.createDirectory(point);
    Files.delete(image);
    assertThat(refusal(tryMount())).contains(image.toString(), "No such file or directory");
    assertThat(Mounted.isMountPoint(point)).isFalse();
  }

  @Test
  void aFaultInTheBackgroundIsOneLineInTheLogFile() throws IOException {
    Path log = temp.path("log");
    mount("--log-file", log.toString());
    // The image shrinks under the mount: its end can no longer be read.
    try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
      file.setLength(4096);
    }
    for (int i = 0; i < 3; i++) {
      Run.Result read =
          Run.run(
              Run.PATIENCE,
              List.of("dd", "if=" + disk(), "iflag=direct", "bs=4k", "skip=200", "count=1"));
      assertThat(read.err()).contains("Input/output error");
    }

    List<String> lines = Files.readAllLines(log);
    assertThat(lines).hasSize(1);
    assertThat(lines.get(0))
        .matches(
            ".*Z " + image + ": data of guest offset 0xc8000 is at host offset 0xc8000, past.*");
  }
}
