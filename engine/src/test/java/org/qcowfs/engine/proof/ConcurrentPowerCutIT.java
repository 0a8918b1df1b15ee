package org.qcowfs.engine.proof;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.testing.CrashReplay;
import org.qcowfs.engine.testing.HostOperation;
import org.qcowfs.engine.testing.Journal;
import org.qcowfs.engine.testing.MemoryContent;
import org.qcowfs.engine.testing.MemoryHostFiles;
import org.qcowfs.engine.testing.RecordingHostFiles;
import org.qcowfs.engine.testing.RefcountAudit;
import org.qcowfs.engine.testing.Seeds;

/**
 * Several threads write, zero and flush at once, mostly in the same few clusters; every crash their
 * host operations could have ended in leaves leaks at most and everything that was flushed.
 */
class ConcurrentPowerCutIT {
  private static final int THREADS = 4;
  private static final int SAMPLE = 500;

  /** What the threads did: the files before, what may be in which sector, the host's journal. */
  private record Recorded(
      Template template,
      Map<String, MemoryContent> before,
      StampedDisk disk,
      List<HostOperation> journal) {}

  @Test
  void everyCrashUnderSeveralWritersLosesNothingFlushed() {
    Seeds.forEach("power cut under several writers", 4, ConcurrentPowerCutIT::random);
  }

  /** Work of several threads on a small image of a random shape. */
  static void random(long seed) throws Exception {
    Random random = Seeds.random(seed);
    Shape drawn;
    do {
      drawn = Shape.random(random);
    } while (drawn.clusterBits() > 14);
    Shape shape = drawn.withSize(1 << 17);
    try (Templates templates = new Templates()) {
      Recorded recorded = record(templates.make(shape, seed), random);
      try {
        judgeAll(recorded, recorded.journal, new Random(seed));
      } catch (AssertionError e) {
        throw new AssertionError(shape + ": " + e.getMessage(), e);
      }
    }
  }

  /** Without syncs a power cut loses what was flushed: we notice. */
  @Test
  void missingSyncsAreNoticed() throws Exception {
    try (Templates templates = new Templates()) {
      Shape shape = Scenario.ALLOCATING.shape().withSize(1 << 18);
      Recorded sound = record(templates.make(shape, 1), new Random(1));
      List<HostOperation> journal = new ArrayList<>();
      for (HostOperation operation : sound.journal) {
        // A stand-in keeps the positions of all others.
        journal.add(
            operation.kind() == HostOperation.Kind.SYNC
                ? new HostOperation("nothing", HostOperation.Kind.SYNC, 0, 0, new byte[0])
                : operation);
      }
      assertThatThrownBy(() -> judgeAll(sound, journal, new Random(1)))
          .isInstanceOf(AssertionError.class)
          .hasMessageContaining("after operation");
    }
  }

  private static Recorded record(Template template, Random random) throws Exception {
    MemoryHostFiles files = template.inMemory();
    Map<String, MemoryContent> before = files.copy();
    Journal journal = new Journal();
    StampedDisk disk = new StampedDisk(template.content(), journal::size);
    ExecutorService threads = Executors.newFixedThreadPool(THREADS);
    try (Image image =
        Images.open(
            template.path(), CrashSequence.WRITABLE, new RecordingHostFiles(files, journal))) {
      List<Future<Void>> running = new ArrayList<>();
      for (int t = 0; t < THREADS; t++) {
        Random own = new Random(random.nextLong());
        int cluster = template.shape().clusterSize();
        running.add(threads.submit(() -> disk.work(image, cluster, own, 40)));
      }
      for (Future<Void> thread : running) {
        thread.get();
      }
    } finally {
      threads.shutdownNow();
    }
    disk.closed();
    return new Recorded(template, before, disk, journal.operations());
  }

  private static void judgeAll(Recorded recorded, List<HostOperation> journal, Random random)
      throws IOException {
    CrashReplay replay = new CrashReplay(recorded.before, journal);
    int states = 0;
    do {
      judge(recorded, replay.killed(), "killed after operation " + replay.position(), replay);
      for (int i = 0; i < Math.min(3, replay.pending()); i++) {
        MemoryHostFiles files = replay.powerCut(random);
        judge(recorded, files, "power cut after operation " + replay.position(), replay);
        if (++states % SAMPLE == 0) {
          Path scratch = Path.of(recorded.template.path()).resolveSibling("crashed.qcow2");
          files.content(recorded.template.path()).store(scratch);
          Tool.check(scratch, true);
        }
      }
    } while (replay.advance());
  }

  private static void judge(
      Recorded recorded, MemoryHostFiles files, String how, CrashReplay replay) {
    String path = recorded.template.path();
    try (HostFile file = files.open(path, false);
        Image image = Images.open(path, CrashSequence.READABLE, files)) {
      RefcountAudit.Report report = RefcountAudit.check(file);
      if (!report.corruptions().isEmpty()) {
        throw new AssertionError("corruptions: " + report.corruptions());
      }
      recorded.disk.verifyAfterCrash(replay.position(), GuestDisk.readAll(image));
    } catch (IOException | RuntimeException | AssertionError e) {
      throw new AssertionError(how + ": " + e.getMessage(), e);
    }
  }
}
