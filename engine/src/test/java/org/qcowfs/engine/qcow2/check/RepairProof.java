package org.qcowfs.engine.qcow2.check;

import java.io.IOException;
import java.nio.ByteBuffer;
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
 * Judges the check and the repair of one damaged image at a time, beside {@code qemu-img}.
 *
 * <p>Seed {@code n} damages healthy image {@code n} modulo their number, the same way each time.
 */
final class RepairProof {
  private static final String NAME = "image.qcow2";

  private final Path folder;
  private final Path image;
  private final List<Path> seeds;
  private final List<byte[]> healthy = new ArrayList<>();
  final Tally tally = new Tally();

  RepairProof(Path folder) throws IOException {
    this.folder = folder;
    this.image = folder.resolve("damaged.qcow2");
    this.seeds = CheckSeeds.make(folder);
    for (Path seed : seeds) {
      healthy.add(Files.readAllBytes(seed));
    }
  }

  /** How the repairs went. */
  static final class Tally {
    int crashes;
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

  /**
   * The repair of damage {@code seed} dies at every moment; returns what is worse then, or null.
   */
  @Nullable String crash(long seed) throws IOException {
    Damage.Result damage = damage(seed);
    Path data = folder.resolve("data.raw");
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
      return journal.size() == 0 ? null : story(seed, "failed after writing: " + e.detail());
    }
    if (outcome.refusal() != null) {
      return journal.size() == 0 ? null : story(seed, "wrote, and yet: " + outcome.refusal());
    }
    CrashReplay replay = new CrashReplay(before, journal.operations());
    Random random = new Random(seed);
    do {
      for (MemoryHostFiles left :
          List.of(replay.killed(), replay.powerCut(random), replay.powerCut(random))) {
        String fault = worse(left, outcome.before(), content);
        if (fault != null) {
          return story(seed, "after " + replay.position() + " operations: " + fault);
        }
        tally.crashes++;
      }
    } while (replay.advance());
    return null;
  }

  private static @Nullable String worse(
      MemoryHostFiles left, CheckResult before, @Nullable DiskContent content)
      throws ImageException {
    try (HostFile file = left.open(NAME, false)) {
      long[] flags = {0};
      CheckResult result =
          Checker.check(
              file, finding -> flags[0] += finding.kind() == Finding.Kind.COPIED_FLAG ? 1 : 0);
      // A block that cannot be read is told for each cluster of the file, which may have grown.
      if (result.corruptions() - flags[0] > before.corruptions()
          || result.checkErrors() > 0 && before.checkErrors() == 0) {
        return "more faults: " + result + " instead of " + before;
      }
    }
    return content == null ? null : content.lostIn(DiskContent.read(left, NAME));
  }

  private Damage.Result damage(long seed) {
    return Damage.of(healthy.get((int) (seed % healthy.size())), seed);
  }

  private String story(long seed, String fault) {
    return seeds.get((int) (seed % seeds.size())).getFileName()
        + " seed "
        + seed
        + ": "
        + damage(seed).story()
        + "\n   "
        + fault;
  }

  /**
   * Checks damage {@code seed}; returns what differs from QEMU's answer and should not, or null.
   */
  @Nullable String check(long seed) throws IOException {
    byte[] bytes = damage(seed).bytes();
    Files.write(image, bytes);
    Answer qemu = CheckOracle.qemu(image, folder);
    String fault = KnownDifferences.compare(bytes, CheckOracle.ours(image), qemu);
    return fault == null ? null : story(seed, fault);
  }

  /** Repairs damage {@code seed}; returns what is wrong with that, or null. */
  @Nullable String repair(long seed) throws IOException {
    String fault = repairFault(damage(seed).bytes());
    return fault == null ? null : story(seed, fault);
  }

  private @Nullable String repairFault(byte[] damaged) throws IOException {
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
    if (ours.lines().stream().anyMatch(RepairProof::aboutRefcounts)) {
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
    if (ours.code() != 0
        && repairedByQemu.code() == 0
        && !hasForeignAutoclear(damaged)
        && ours.lines().stream().noneMatch(RepairProof::keptOnPurpose)) {
      return "qemu-img makes it clean, and this does not: " + ours;
    }
    return compare(qemuBefore, qemuAfter, qemuOwn);
  }

  /** Nothing that QEMU could read before, and can after its own repair, may read differently. */
  private @Nullable String compare(
      byte @Nullable [] before, byte @Nullable [] after, byte @Nullable [] own) {
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

  /**
   * QEMU puts a table of nameless, empty snapshots in place of a lost one, and its new refcounts
   * where entries point behind the end of the file; here both stay reported.
   */
  private static boolean keptOnPurpose(String line) {
    return line.startsWith("ERROR snapshot table entry ")
        || line.startsWith("ERROR: counting reference for region exceeding the end of the file");
  }

  /** Flags may be left in an L2 table that no reader accepts. */
  private static boolean aboutRefcounts(String line) {
    return line.startsWith("Leaked")
        || line.contains(" refcount=") && !line.startsWith("ERROR OFLAG_COPIED ");
  }

  /** QEMU's repair of such an image forgets all of its snapshots, and with them what is wrong. */
  private static boolean hasForeignAutoclear(byte[] image) {
    ByteBuffer in = ByteBuffer.wrap(image);
    return in.getInt(4) == 3 && (in.getLong(88) & ~3L) != 0;
  }

  private static boolean zero(byte[] bytes, int from, int to) {
    for (int i = from; i < to; i++) {
      if (bytes[i] != 0) {
        return false;
      }
    }
    return true;
  }

  private static Repair.Outcome repair(Path image) throws ImageException {
    try (PosixHostFile file = PosixHostFile.open(image.toString(), true)) {
      return Repair.run(file, Repair.Scope.ALL, finding -> {});
    }
  }
}
