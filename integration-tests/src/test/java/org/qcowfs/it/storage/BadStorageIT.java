package org.qcowfs.it.storage;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.engine.host.posix.PosixCalls;
import org.qcowfs.it.mount.Await;
import org.qcowfs.it.storage.Faults.Call;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/** That the tests' own file system is as bad as they say: else they prove nothing. */
@Timeout(300)
class BadStorageIT {
  private TempImages temp;
  private Path file;
  private BadStorage storage;

  @BeforeEach
  void mount() throws Exception {
    temp = TempImages.create("badstorage");
    byte[] bytes = new byte[1 << 20];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = (byte) (i * 31 + (i >> 8));
    }
    Path folder = temp.makeFolder("real");
    file = Files.write(folder.resolve("file"), bytes);
    storage = BadStorage.mount(folder, temp.makeFolder("mnt"));
  }

  @AfterEach
  void unmount() {
    storage.close();
    temp.close();
  }

  private List<String> dd(int skip) {
    return List.of(
        "dd", "if=" + storage.path("file"), "of=/dev/null", "bs=64k", "count=1", "skip=" + skip);
  }

  private Run.Result tryToRead() {
    return Run.run(Run.PATIENCE, dd(0));
  }

  @Test
  void aHealthyOneShowsTheFolder() {
    Run.ok("cmp", file.toString(), storage.path("file").toString());
    assertThat(Run.ok("ls", storage.point().toString()).out()).isEqualTo("file\n");
    String format = "%s %i %Y";
    assertThat(Run.ok("stat", "-c", format, storage.path("file").toString()).out())
        .isEqualTo(Run.ok("stat", "-c", format, file.toString()).out());
  }

  @Test
  void readsTakeTheirTimeAtTheSameTime() throws Exception {
    storage.faults().setLatencyMillis(400);
    storage.faults().hang(); // however long it takes to start all of them
    long begin = System.nanoTime();
    List<Process> readers = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      readers.add(new ProcessBuilder(dd(i)).redirectErrorStream(true).start());
    }
    Await.until("all are under way", () -> storage.faults().mostInFlight() == 8);
    storage.faults().release();
    for (Process reader : readers) {
      assertThat(reader.waitFor()).isZero();
    }
    assertThat(Duration.ofNanos(System.nanoTime() - begin)).isGreaterThan(Duration.ofMillis(400));
    assertThat(storage.faults().reads()).isEqualTo(8);
    assertThat(storage.faults().bytesRead()).isEqualTo(8 << 16);
  }

  @Test
  void whatHangsKeepsNobodyElseWaiting() throws Exception {
    storage.faults().hang();
    List<Process> readers = new ArrayList<>();
    for (int i = 0; i < 64; i++) {
      readers.add(new ProcessBuilder(dd(i % 16)).redirectErrorStream(true).start());
    }
    Await.until("64 readers hang", () -> storage.faults().hung() == 64);
    Run.ok("ls", "-l", storage.point().toString());
    assertThat(readers).allMatch(Process::isAlive);
    storage.faults().release();
    for (Process reader : readers) {
      assertThat(reader.waitFor()).isZero();
    }
  }

  @Test
  void callsFailWithTheErrnoThatWasAsked() {
    Faults faults = storage.faults();
    for (int errno : new int[] {Errno.EIO, Errno.ESTALE, Errno.EACCES}) {
      faults.fail(Call.READ, errno);
      assertThat(tryToRead().err()).contains(Errno.text(errno));
    }
    faults.fail(Call.READ, 0);
    faults.fail(Call.OPEN, Errno.EACCES);
    assertThat(tryToRead().err()).contains("failed to open").contains("Permission denied");
    faults.heal();
    assertThat(tryToRead().exitCode()).isZero();
    faults.fail(Call.LOCK, Errno.ENOSYS);
    int fd = PosixCalls.open(storage.path("file").toString(), PosixCalls.O_RDONLY);
    assertThat(PosixCalls.ofdLock(fd, PosixCalls.F_OFD_SETLK, PosixCalls.F_RDLCK, 100, 1))
        .isEqualTo(-1);
    assertThat(PosixCalls.errno()).isEqualTo(Errno.ENOSYS);
    faults.heal();
    assertThat(PosixCalls.ofdLock(fd, PosixCalls.F_OFD_SETLK, PosixCalls.F_RDLCK, 100, 1)).isZero();
    assertThat(PosixCalls.lseek(fd, 0, PosixCalls.SEEK_HOLE)).isEqualTo(1 << 20);
    faults.fail(Call.SEEK, Errno.EINVAL);
    assertThat(PosixCalls.lseek(fd, 0, PosixCalls.SEEK_HOLE)).isEqualTo(-1);
    PosixCalls.close(fd);
  }

  @Test
  void openHandlesGetLost() throws Exception {
    String path = storage.path("file").toString();
    Process reader =
        new ProcessBuilder("sh", "-c", "exec 3<" + path + "; read go; dd bs=64k <&3 of=/dev/null")
            .redirectErrorStream(true)
            .start();
    Await.until("it is open", () -> storage.openFiles() == 1);
    storage.faults().loseHandles();
    reader.getOutputStream().write('\n');
    reader.getOutputStream().flush();
    assertThat(new String(reader.getInputStream().readAllBytes())).contains("Stale file handle");
    assertThat(tryToRead().exitCode()).isZero();
  }

  @Test
  void rootIsSquashed() {
    storage.faults().setRootSquashed(true);
    assertThat(tryToRead().exitCode()).isZero();
    Run.ok("chmod", "600", file.toString());
    assertThat(tryToRead().err()).contains("Permission denied");
  }
}
