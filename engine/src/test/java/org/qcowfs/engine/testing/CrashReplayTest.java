package org.qcowfs.engine.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.HashSet;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;

/** Writers of a raw disk, sound and broken, under crashes. */
class CrashReplayTest {
  private static final int SIZE = 64 << 10;

  private final MemoryHostFiles files = new MemoryHostFiles();
  private final Journal journal = new Journal();
  private final ReferenceDisk model = new ReferenceDisk(new byte[SIZE]);
  private final Random random = new Random(5);
  private Map<String, MemoryContent> before = Map.of();

  @BeforeEach
  void makeDisk() {
    files.put("disk", MemoryContent.of(new byte[SIZE]));
    before = files.copy();
  }

  private HostFile open() throws ImageException {
    return new RecordingHostFiles(files, journal).open("disk", true);
  }

  private void write(HostFile file, int at, int length) throws ImageException {
    byte[] data = new byte[length];
    random.nextBytes(data);
    DataBuffer buffer = DataBuffer.allocate(length);
    buffer.bytes().put(0, data);
    model.write(journal.size(), at, data);
    file.write(at, buffer, 0, length);
  }

  /** Work of which every third request is followed by a flush. */
  private void work(boolean syncs) throws ImageException {
    try (HostFile file = open()) {
      for (int i = 0; i < 30; i++) {
        write(file, random.nextInt(SIZE - 9000), 1 + random.nextInt(9000));
        if (i % 3 == 2) {
          if (syncs) {
            file.sync();
          }
          model.flushed(journal.size(), model.requests());
        }
      }
    }
  }

  private void judge() {
    CrashReplay replay = new CrashReplay(before, journal.operations());
    do {
      model.verifyAfterCrash(replay.position(), replay.killed().content("disk").bytes());
      for (int i = 0; i < 20; i++) {
        byte[] left = replay.powerCut(random).content("disk").bytes();
        model.verifyAfterCrash(replay.position(), left);
      }
    } while (replay.advance());
  }

  @Test
  void aWriterThatSyncsLosesNothing() throws ImageException {
    work(true);
    assertThatCode(this::judge).doesNotThrowAnyException();
    assertThat(journal.size()).isEqualTo(40);
  }

  @Test
  void aFlushThatDoesNotSyncIsNoticed() throws ImageException {
    work(false);
    assertThatThrownBy(this::judge)
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("expected request");
  }

  @Test
  void aWriterThatZeroesBeforeItWritesIsNoticed() throws ImageException {
    try (HostFile file = open()) {
      write(file, 0, 4096);
      file.sync();
      model.flushed(journal.size(), model.requests());
      int began = journal.size();
      file.zeroRange(0, 4096);
      byte[] data = new byte[512];
      data[0] = 1;
      model.write(began, 1024, data);
      DataBuffer buffer = DataBuffer.allocate(512);
      buffer.bytes().put(0, data);
      file.write(1024, buffer, 0, 512);
    }
    assertThatThrownBy(this::judge)
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("holds zeroes");
  }

  @Test
  void aPowerCutTearsKeepsAndLosesOperations() throws ImageException {
    try (HostFile file = open()) {
      DataBuffer ones = DataBuffer.allocate(2048);
      for (int i = 0; i < 2048; i++) {
        ones.bytes().put(i, (byte) 1);
      }
      file.write(0, ones, 0, 2048);
      file.write(8192, ones, 0, 512);
    }
    CrashReplay replay = new CrashReplay(before, journal.operations());
    assertThat(replay.advance()).isTrue();
    assertThat(replay.advance()).isTrue();
    assertThat(replay.advance()).isFalse();
    Set<String> seen = new HashSet<>();
    for (int i = 0; i < 500; i++) {
      byte[] left = replay.powerCut(random).content("disk").bytes();
      StringBuilder sectors = new StringBuilder();
      for (int at : new int[] {0, 512, 1024, 1536, 8192}) {
        sectors.append(left[at]);
        assertThat(left[at]).isEqualTo(left[at + 511]);
      }
      seen.add(sectors.toString());
    }
    assertThat(seen).contains("00000", "11111", "11110", "00001", "11001", "00111", "10000");
  }

  @Test
  void whatWasSyncedSurvivesAPowerCut() throws ImageException {
    try (HostFile file = open()) {
      write(file, 100, 3000);
      file.punchHole(20_000, 10_000);
      file.sync();
    }
    CrashReplay replay = new CrashReplay(before, journal.operations());
    while (replay.advance()) {
      assertThat(replay.pending()).isGreaterThanOrEqualTo(0);
    }
    assertThat(replay.pending()).isZero();
    assertThat(replay.powerCut(random).content("disk").bytes()).isEqualTo(model.now());
  }
}
