package org.qcowfs.fuse.system;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

class MountRecordsTest {
  /** Who reads the records deletes those that no living process is behind. */
  @Test
  void aRecordThatIsBeingWrittenIsNotTakenForALeftOne() throws Exception {
    long pid = ProcessHandle.current().pid();
    MountRecord record =
        new MountRecord(
            pid, MountRecord.startOf(pid), "/i".repeat(2000), "/no/such/mount", "0:0", "nowhere");
    AtomicBoolean stop = new AtomicBoolean();
    Thread reader =
        new Thread(
            () -> {
              while (!stop.get()) {
                MountRecords.all();
              }
            });
    reader.start();
    Path written = null;
    try {
      for (int i = 0; i < 500; i++) {
        written = MountRecords.write(record);
        assertThat(written).exists();
        assertThat(MountRecords.all()).contains(record);
        Files.delete(written);
      }
    } finally {
      stop.set(true);
      reader.join();
      if (written != null) {
        Files.deleteIfExists(written);
      }
    }
  }

  @Test
  void theRecordOfAProcessThatHasEndedGoes() throws Exception {
    Process ended = new ProcessBuilder("cat").start(); // until it is told to end
    String started = MountRecord.startOf(ended.pid());
    ended.getOutputStream().close();
    ended.waitFor();
    MountRecord record = new MountRecord(ended.pid(), started, "/i", "/no/such/mount", "0:0", "-");
    Path written = MountRecords.write(record);
    assertThat(record.isServed()).isFalse();
    assertThat(MountRecords.all()).doesNotContain(record);
    assertThat(written).doesNotExist();
  }
}
