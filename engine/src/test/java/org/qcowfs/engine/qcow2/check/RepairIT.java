package org.qcowfs.engine.qcow2.check;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.PosixHostFile;
import org.qcowfs.engine.qcow2.check.CheckOracle.Answer;
import org.qcowfs.engine.testing.CrashReplay;
import org.qcowfs.engine.testing.Journal;
import org.qcowfs.engine.testing.MemoryContent;
import org.qcowfs.engine.testing.MemoryHostFiles;
import org.qcowfs.engine.testing.RecordingHostFiles;

/**
 * Damaged images of every feature are repaired, and judged by {@code qemu-img} before and after.
 */
final class RepairIT {
  private static final int COUNT = Integer.getInteger("qcowfs.repair.count", 300);
  private static final long SEED = Long.getLong("qcowfs.repair.seed", 1);
  private static final String NAME = "image.qcow2";

  @TempDir Path folder;

  @Test
  void refcountsAndFlagsAreRightAfterwardsAndTheDiskReadsAsBefore() throws IOException {
    List<Path> seeds = CheckSeeds.make(folder);
    List<byte[]> healthy = new ArrayList<>();
    for (Path seed : seeds) {
      healthy.add(Files.readAllBytes(seed));
    }
    Path image = folder.resolve("damaged.qcow2");
    int repaired = 0;
    for (long i = SEED; i < SEED + COUNT; i++) {
      int which = (int) (i % seeds.size());
      Damage.Result damage = Damage.of(healthy.get(which), i);
      String name = seeds.get(which).getFileName() + " seed " + i + ": " + damage.story();
      Files.write(image, damage.bytes());
      Answer found = CheckOracle.ours(image);
      if (found.code() < 2) {
        continue;
      }
      byte[] disk = disk(image);
      Repair.Outcome outcome = repair(image);
      if (outcome.refusal() != null) {
        assertThat(CheckOracle.ours(image)).as(name).isEqualTo(found);
        continue;
      }
      repaired++;
      Answer qemu = CheckOracle.qemu(image, folder);
      assertThat(qemu.lines())
          .as(name)
          .noneMatch(line -> line.contains(" refcount=") || line.startsWith("Leaked"));
      if (disk != null) {
        assertThat(disk(image)).as(name).isEqualTo(disk);
      }
      byte[] once = Files.readAllBytes(image);
      repair(image);
      assertThat(Files.readAllBytes(image)).as("repaired again: %s", name).isEqualTo(once);
    }
    assertThat(repaired).isGreaterThan(COUNT / 4);
  }

  @Test
  void aCrashLeavesTheImageAsItWasOrRepaired() throws IOException {
    List<Path> seeds = CheckSeeds.make(folder);
    int crashes = 0;
    for (long i = SEED; i < SEED + COUNT / 4; i++) {
      Path seed = seeds.get((int) (i % seeds.size()));
      Damage.Result damage = Damage.of(Files.readAllBytes(seed), i);
      MemoryHostFiles files = new MemoryHostFiles(Map.of(NAME, MemoryContent.of(damage.bytes())));
      Map<String, MemoryContent> before = files.copy();
      Journal journal = new Journal();
      Repair.Outcome outcome;
      try (HostFile file = new RecordingHostFiles(files, journal).open(NAME, true)) {
        outcome = Repair.run(file, Repair.Scope.ALL, finding -> {});
      } catch (ImageException e) {
        assertThat(journal.size()).as("%s: %s", seed, e.detail()).isZero();
        continue;
      }
      long most = Math.max(outcome.before().corruptions(), outcome.after().corruptions());
      assertThat(outcome.after().corruptions()).isLessThanOrEqualTo(outcome.before().corruptions());
      CrashReplay replay = new CrashReplay(before, journal.operations());
      Random random = new Random(i);
      do {
        for (MemoryHostFiles left :
            List.of(replay.killed(), replay.powerCut(random), replay.powerCut(random))) {
          try (HostFile file = left.open(NAME, false)) {
            CheckResult result = Checker.check(file, finding -> {});
            assertThat(result.corruptions())
                .as(
                    "%s seed %d after %d operations: %s",
                    seed, i, replay.position(), damage.story())
                .isLessThanOrEqualTo(most);
          }
          crashes++;
        }
      } while (replay.advance());
    }
    assertThat(crashes).isGreaterThan(COUNT);
  }

  private static Repair.Outcome repair(Path image) throws ImageException {
    try (PosixHostFile file = PosixHostFile.open(image.toString(), true)) {
      return Repair.run(file, Repair.Scope.ALL, finding -> {});
    }
  }

  /** The disk as QEMU reads it, zeroes where it cannot; null if it cannot open the image. */
  private byte @Nullable [] disk(Path image) throws IOException {
    Path raw = folder.resolve("disk.raw");
    Files.deleteIfExists(raw);
    Process process =
        new ProcessBuilder(
                "qemu-img",
                "convert",
                "--salvage",
                "-f",
                "qcow2",
                "-O",
                "raw",
                image.toString(),
                raw.toString())
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
    try {
      if (!process.waitFor(10, TimeUnit.SECONDS)) {
        process.destroyForcibly().waitFor();
        return null;
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError(e);
    }
    return process.exitValue() == 0 ? Files.readAllBytes(raw) : null;
  }
}
