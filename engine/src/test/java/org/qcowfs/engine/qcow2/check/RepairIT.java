package org.qcowfs.engine.qcow2.check;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.host.PosixHostFile;
import org.qcowfs.engine.qcow2.check.CheckOracle.Answer;
import org.qcowfs.engine.testing.CrashReplay;
import org.qcowfs.engine.testing.Journal;
import org.qcowfs.engine.testing.MemoryContent;
import org.qcowfs.engine.testing.MemoryHostFiles;
import org.qcowfs.engine.testing.RecordingHostFiles;

/**
 * Damaged images of every feature are repaired, and judged by {@code qemu-img} before and after.
 *
 * <p>More of them: {@code integration-tests/checkfuzz COUNT [SEED]}.
 */
final class RepairIT {
  private static final int COUNT = Integer.getInteger("qcowfs.repair.count", 240);
  private static final long SEED = Long.getLong("qcowfs.repair.seed", 1);
  private static final String NAME = "image.qcow2";

  @TempDir Path folder;

  /** How the repairs went. */
  private static final class Tally {
    int damaged;
    int refused;
    int refusedButNotByQemu;
    int clean;
    int betterThanQemu;
    int lostByQemu;
    final Map<String, Integer> reasons = new TreeMap<>();

    @Override
    public String toString() {
      return damaged
          + " damaged, "
          + refused
          + " refused "
          + reasons
          + " of which qemu-img mended "
          + refusedButNotByQemu
          + ", "
          + clean
          + " clean afterwards, "
          + betterThanQemu
          + " cleaner than qemu-img made them, "
          + lostByQemu
          + " of which qemu-img lost data";
    }
  }

  @Test
  void whatCouldBeReadStaysAndQemuAgreesThatTheRestIsRight() throws IOException {
    List<Path> seeds = CheckSeeds.make(folder);
    List<byte[]> healthy = new ArrayList<>();
    for (Path seed : seeds) {
      healthy.add(Files.readAllBytes(seed));
    }
    Tally tally = new Tally();
    List<String> faults = new ArrayList<>();
    for (long i = SEED; i < SEED + COUNT; i++) {
      int which = (int) (i % seeds.size());
      Damage.Result damage = Damage.of(healthy.get(which), i);
      String fault = fault(damage.bytes(), tally);
      if (fault != null) {
        faults.add(
            seeds.get(which).getFileName()
                + " seed "
                + i
                + ": "
                + damage.story()
                + "\n   "
                + fault);
      }
    }
    System.out.println("repairs: " + tally);
    assertThat(faults).as("%s", tally).isEmpty();
    assertThat(tally.clean).isGreaterThan(COUNT / 4);
    assertThat(tally.refused).isLessThan(COUNT / 4);
  }

  /** Repairs the image; returns what is wrong with that, or null. */
  private @Nullable String fault(byte[] damaged, Tally tally) throws IOException {
    Path image = folder.resolve("damaged.qcow2");
    Files.write(image, damaged);
    if (CheckOracle.ours(image).code() < 2) {
      return null;
    }
    tally.damaged++;
    DiskContent content = DiskContent.read(HostFiles.POSIX, image.toString());
    byte[] qemuBefore = CheckOracle.salvaged(image, folder);
    Repair.Outcome outcome = repair(image);
    byte[] once = Files.readAllBytes(image);
    if (outcome.refusal() != null) {
      tally.refused++;
      tally.reasons.merge(outcome.refusal().replaceAll("0x[0-9a-f]+|[0-9]+", "N"), 1, Integer::sum);
      if (!Arrays.equals(once, damaged)) {
        return "changed, and yet: " + outcome.refusal();
      }
      tally.refusedButNotByQemu += CheckOracle.repairedByQemu(image, folder).code() == 0 ? 1 : 0;
      return null;
    }
    Answer ours = CheckOracle.ours(image);
    Answer qemu = CheckOracle.qemu(image, folder);
    String difference = KnownDifferences.compare(once, ours, qemu);
    if (difference != null) {
      return difference;
    }
    if (ours.lines().stream()
        .anyMatch(line -> line.contains(" refcount=") || line.startsWith("Leaked"))) {
      return "refcounts are wrong: " + ours;
    }
    String lost =
        content == null
            ? null
            : content.lostIn(DiskContent.read(HostFiles.POSIX, image.toString()));
    if (lost != null) {
      return "lost: " + lost;
    }
    repair(image);
    if (!Arrays.equals(Files.readAllBytes(image), once)) {
      return "a second repair changes more";
    }
    byte[] qemuAfter = CheckOracle.salvaged(image, folder);
    Files.write(image, damaged);
    Answer repairedByQemu = CheckOracle.repairedByQemu(image, folder);
    byte[] qemuOwn = CheckOracle.salvaged(image, folder);
    tally.clean += ours.code() == 0 ? 1 : 0;
    tally.betterThanQemu += ours.code() == 0 && repairedByQemu.code() != 0 ? 1 : 0;
    if (ours.code() != 0 && repairedByQemu.code() == 0) {
      return "qemu-img makes it clean, and this does not: " + ours;
    }
    return compare(qemuBefore, qemuAfter, qemuOwn, tally);
  }

  /** Nothing that QEMU could read before, and can after its own repair, may read differently. */
  private static @Nullable String compare(
      byte @Nullable [] before, byte @Nullable [] after, byte @Nullable [] own, Tally tally) {
    if (before == null || own == null) {
      return null;
    }
    if (after == null || after.length != before.length) {
      return "qemu-img cannot read the disk any more";
    }
    boolean lost = own.length < before.length;
    for (int at = 0; at < before.length; at += DiskContent.SECTOR) {
      int end = Math.min(before.length, at + DiskContent.SECTOR);
      boolean qemuKept = own.length >= end && Arrays.equals(before, at, end, own, at, end);
      lost |= !qemuKept;
      if (qemuKept && !zero(before, at, end) && !Arrays.equals(before, at, end, after, at, end)) {
        return String.format("to QEMU it reads differently at 0x%x", at);
      }
    }
    tally.lostByQemu += lost ? 1 : 0;
    return null;
  }

  private static boolean zero(byte[] bytes, int from, int to) {
    for (int i = from; i < to; i++) {
      if (bytes[i] != 0) {
        return false;
      }
    }
    return true;
  }

  @Test
  void aCrashLeavesTheImageAsItWasOrRepaired() throws IOException {
    List<Path> seeds = CheckSeeds.make(folder);
    Path data = folder.resolve("data.raw");
    int crashes = 0;
    for (long i = SEED; i < SEED + COUNT / 4; i++) {
      Path seed = seeds.get((int) (i % seeds.size()));
      Damage.Result damage = Damage.of(Files.readAllBytes(seed), i);
      Map<String, MemoryContent> initial = new HashMap<>();
      initial.put(NAME, MemoryContent.of(damage.bytes()));
      initial.put(data.toString(), MemoryContent.of(data));
      MemoryHostFiles files = new MemoryHostFiles(initial);
      Map<String, MemoryContent> before = files.copy();
      DiskContent content = DiskContent.read(files, NAME);
      Journal journal = new Journal();
      Repair.Outcome outcome;
      try (HostFile file = new RecordingHostFiles(files, journal).open(NAME, true)) {
        outcome = Repair.run(file, Repair.Scope.ALL, finding -> {});
      } catch (ImageException e) {
        assertThat(journal.size()).as("%s: %s", seed, e.detail()).isZero();
        continue;
      }
      if (outcome.refusal() != null) {
        assertThat(journal.size()).as("%s: %s", seed, outcome.refusal()).isZero();
      }
      CrashReplay replay = new CrashReplay(before, journal.operations());
      Random random = new Random(i);
      do {
        for (MemoryHostFiles left :
            List.of(replay.killed(), replay.powerCut(random), replay.powerCut(random))) {
          String name =
              String.format(
                  "%s seed %d after %d operations: %s",
                  seed.getFileName(), i, replay.position(), damage.story());
          try (HostFile file = left.open(NAME, false)) {
            CheckResult result = Checker.check(file, finding -> {});
            assertThat(result.corruptions())
                .as(name)
                .isLessThanOrEqualTo(outcome.before().corruptions());
          }
          if (content != null) {
            assertThat(content.lostIn(DiskContent.read(left, NAME))).as(name).isNull();
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
}
