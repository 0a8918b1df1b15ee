package org.qcowfs.it.fuzz;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.ImageCheck;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.model.BackingPolicy;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.model.SnapshotInfo;
import org.qcowfs.engine.qcow2.check.CheckExtras;
import org.qcowfs.engine.qcow2.check.CheckResult;

/** One damaged image, and all that is done to it. */
final class FuzzCase {
  private static final long READ_LIMIT = 32L << 20;
  private static final long SNAPSHOT_LIMIT = 4L << 20;

  private final Disks disks;
  private final Disks.Disk disk;
  private final long seed;
  private final Random random;
  private final Verdict verdict;
  private final boolean mounted;
  private final boolean judged;
  private final String image;
  private String story = "";

  /**
   * @param mounted whether it is mounted too
   * @param judged whether QEMU's check has its say too
   */
  FuzzCase(Disks disks, long seed, Verdict verdict, boolean mounted, boolean judged) {
    this.disks = disks;
    this.disk = disks.of(seed);
    this.seed = seed;
    this.random = new Random(seed * 0x9E3779B97F4A7C15L);
    this.verdict = verdict;
    this.mounted = mounted;
    this.judged = judged;
    this.image = disk.image().toString();
  }

  /** How the image was damaged. */
  String story() {
    return disk.folder().getFileName() + ": " + story;
  }

  /** Runs it; the verdict has what is wrong. */
  void run() throws IOException {
    disk.restore();
    Path victim = victim();
    story = Mutation.apply(victim, disk.fieldsOf(victim), disks.secret(), random);
    Map<Path, Long> before = checksums();
    Sectors own = disk.sectors(victim);
    DiskReader reader = new DiskReader(own, verdict);
    verdict.attempt("describe", () -> Images.open(image, options().forDescription()).close());
    CommandRun commands = new CommandRun(disks, verdict, random);
    commands.reading(image);
    verdict.attempt("open", () -> readAll(reader));
    if (mounted) {
      verdict.attempt("mount", () -> mountRun().read(open(false)));
    }
    for (Map.Entry<Path, Long> changed : checksums().entrySet()) {
      if (!changed.getValue().equals(before.get(changed.getKey()))) {
        verdict.fault("reading has changed " + changed.getKey());
      }
    }
    boolean soundForQemu = judged && QemuJudge.finds(image, QemuJudge.SOUND);
    if (random.nextInt(3) == 0) {
      boolean sound = sound("check before");
      commands.changing(image);
      stillSound(sound);
    } else {
      write(reader, before);
    }
    if (soundForQemu && QemuJudge.finds(image, QemuJudge.CORRUPT)) {
      verdict.fault("sound before and corrupt after, says QEMU");
    }
  }

  /** With a randomness of its own, so that a case is the same with and without. */
  private MountRun mountRun() {
    return new MountRun(disks, verdict, new Random(seed));
  }

  /** The file to damage: mostly the top layer. */
  private Path victim() {
    List<Path> layers = List.copyOf(disk.fields().keySet());
    return random.nextInt(4) > 0 ? disk.image() : layers.get(random.nextInt(layers.size()));
  }

  private OpenOptions options() {
    return OpenOptions.readOnly()
        .withFormat("qcow2")
        .withBackingPolicy(BackingPolicy.SAME_DIR)
        .withCacheBytes(1 << 20)
        .withWarnings(line -> verdict.harmless(line, false));
  }

  private Image open(boolean writable) throws ImageException {
    return Images.open(image, options().withWritable(writable));
  }

  private void readAll(DiskReader reader) throws ImageException {
    try (Image opened = open(false)) {
      verdict.attempt("read", () -> reader.read(opened, READ_LIMIT));
      verdict.attempt("seek", () -> reader.seek(opened));
      List<SnapshotInfo> snapshots = opened.snapshots();
      for (SnapshotInfo snapshot : snapshots.subList(0, Math.min(4, snapshots.size()))) {
        verdict.attempt(
            "snapshot " + snapshot.index(),
            () -> reader.read(opened.snapshot(snapshot), SNAPSHOT_LIMIT));
        verdict.attempt(
            "vm state " + snapshot.index(),
            () -> reader.read(opened.vmState(snapshot), SNAPSHOT_LIMIT));
      }
      if (opened.size() > READ_LIMIT) {
        WriteRun.readAnywhere(opened, random);
      }
    }
  }

  private void write(DiskReader reader, Map<Path, Long> before) throws IOException {
    boolean sound = sound("check before");
    verdict.attempt(
        "write",
        () -> {
          boolean through = random.nextInt(3) == 0;
          if (mounted && through) {
            mountRun().write(open(true));
            return;
          }
          try (Image target = open(true)) {
            long[] expected = reader.read(target, READ_LIMIT);
            WriteRun run = new WriteRun(target, verdict, random, expected);
            run.run();
            if (sound) {
              verdict.attempt("read back", () -> run.compare(target));
            }
          }
        });
    stillSound(sound);
    Map<Path, Long> after = checksums();
    for (Map.Entry<Path, Long> file : before.entrySet()) {
      Path path = file.getKey();
      boolean mayChange = path.equals(disk.image()) || path.toString().endsWith("disk.qcow2.data");
      if (!mayChange && !file.getValue().equals(after.get(path))) {
        verdict.fault("writing has changed " + path);
      }
    }
  }

  private boolean sound(String step) {
    CheckResult[] found = new CheckResult[1];
    verdict.attempt(
        step,
        () ->
            found[0] =
                ImageCheck.run(
                        image,
                        null,
                        CheckExtras.NONE,
                        options(),
                        finding -> verdict.harmless(finding.text(), true))
                    .result());
    CheckResult result = found[0];
    return result != null
        && result.failure() == null
        && result.corruptions() == 0
        && result.checkErrors() == 0;
  }

  private void stillSound(boolean before) {
    if (before && !sound("check after")) {
      verdict.fault("sound before and not after");
    }
  }

  private Map<Path, Long> checksums() throws IOException {
    Map<Path, Long> sums = new TreeMap<>();
    List<Path> files = new ArrayList<>();
    try (Stream<Path> all = Files.list(disk.folder())) {
      all.filter(f -> !Files.isSymbolicLink(f) && Files.isRegularFile(f)).forEach(files::add);
    }
    byte[] block = new byte[64 << 10];
    for (Path file : files) {
      CRC32 sum = new CRC32();
      try (var in = Files.newInputStream(file)) {
        for (int n = in.read(block); n > 0; n = in.read(block)) {
          sum.update(block, 0, n);
        }
      }
      sums.put(file, sum.getValue());
    }
    return sums;
  }
}
