package org.qcowfs.engine.qcow2.check;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.qcowfs.engine.qcow2.check.CheckOracle.Answer;

/** Damaged images of every feature, judged by {@code qemu-img check} and by {@link Checker}. */
final class CheckDifferentialIT {
  private static final int COUNT = Integer.getInteger("qcowfs.check.count", 700);
  private static final long SEED = Long.getLong("qcowfs.check.seed", 1);

  @TempDir Path folder;

  @Test
  void healthyImagesAreClean() throws IOException {
    for (Path seed : CheckSeeds.make(folder)) {
      Answer qemu = CheckOracle.qemu(seed, folder);
      assertThat(CheckOracle.ours(seed))
          .as(seed.toString())
          .isEqualTo(new Answer(qemu.code(), qemu.numbers(), qemu.lines(), "null"));
    }
  }

  @Test
  void damagedImagesAreJudgedAsQemuJudgesThem() throws IOException {
    List<Path> seeds = CheckSeeds.make(folder);
    List<byte[]> healthy = new ArrayList<>();
    for (Path seed : seeds) {
      healthy.add(Files.readAllBytes(seed));
    }
    List<String> differences = new ArrayList<>();
    int compared = 0;
    int[] codes = new int[4];
    for (long i = SEED; i < SEED + COUNT; i++) {
      int which = (int) (i % seeds.size());
      Damage.Result damage = Damage.of(healthy.get(which), i);
      Path image = folder.resolve("damaged.qcow2");
      Files.write(image, damage.bytes());
      Answer ours = CheckOracle.ours(image);
      Answer qemu = CheckOracle.qemu(image, folder);
      String difference = KnownDifferences.compare(damage.bytes(), ours, qemu);
      if (qemu.code() >= 0) {
        codes[qemu.code()]++;
      }
      compared++;
      if (difference != null) {
        differences.add(
            seeds.get(which).getFileName()
                + " seed "
                + i
                + ": "
                + damage.story()
                + "\n   "
                + difference);
      }
    }
    assertThat(differences).as("of %d images", compared).isEmpty();
    for (int code = 1; code < codes.length; code++) {
      assertThat(codes[code]).as("images with exit code %d", code).isGreaterThan(COUNT / 50);
    }
  }
}
