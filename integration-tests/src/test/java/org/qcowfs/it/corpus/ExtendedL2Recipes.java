package org.qcowfs.it.corpus;

import static org.qcowfs.it.corpus.Kitchen.KIB;
import static org.qcowfs.it.corpus.Kitchen.MIB;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;

/** Extended L2 entries: 32 subclusters, each data, zero or neither. */
final class ExtendedL2Recipes {
  private ExtendedL2Recipes() {}

  static List<Recipe> all() {
    List<Recipe> recipes = new ArrayList<>();
    for (String cluster : new String[] {"16k", "64k", "256k", "2M"}) {
      recipes.add(
          new Recipe(
              "extended-l2-" + cluster,
              k -> scattered(k, 24 * MIB + 512, "cluster_size=" + cluster)));
    }
    recipes.add(
        new Recipe(
            "extended-l2-preallocated", k -> scattered(k, 8 * MIB, "preallocation=metadata")));
    recipes.add(new Recipe("extended-l2-over-base", ExtendedL2Recipes::overBase));
    recipes.add(new Recipe("extended-l2-snapshots", ExtendedL2Recipes::snapshots));
    recipes.add(new Recipe("extended-l2-every-subcluster", ExtendedL2Recipes::everySubcluster));
    return recipes;
  }

  private static void scattered(Kitchen k, long size, String... options) {
    String[] all = new String[options.length + 1];
    System.arraycopy(options, 0, all, 1, options.length);
    all[0] = "extended_l2=on";
    QemuImg.create(k.disk(), size, all);
    scatter(k.disk(), size);
  }

  static void scatter(Path image, long size) {
    Scatter.on(image, 20, size, 512).writes(80, 6).writes(10, 300).run();
    Scatter.on(image, 21, size, 2048).zeroes(60, 6).discards(30, 6).run();
    Scatter.on(image, 22, size, 512).writes(40, 5).zeroes(10, 50).run();
  }

  private static void overBase(Kitchen k) {
    Path base = k.path("base.raw");
    k.rawFile("base.raw", 5 * MIB + 512, 23);
    QemuImg.createOverlay(
        k.disk(), base.getFileName().toString(), "raw", 8 * MIB, "extended_l2=on");
    scatter(k.disk(), 8 * MIB);
  }

  private static void snapshots(Kitchen k) {
    scattered(k, 8 * MIB, "cluster_size=64k");
    QemuImg.snapshot(k.disk(), "one");
    Scatter.on(k.disk(), 24, 8 * MIB, 2048).writes(50, 4).zeroes(30, 4).discards(10, 40).run();
    QemuImg.snapshot(k.disk(), "two");
    Scatter.on(k.disk(), 25, 8 * MIB, 2048).writes(20, 4).zeroes(10, 4).run();
  }

  /** Cluster i has exactly subcluster i as data, as zero, and as a hole among data. */
  private static void everySubcluster(Kitchen k) {
    long sub = 2 * KIB;
    QemuImg.createOverlay(
        k.disk(),
        k.rawFile("base.raw", 8 * MIB, 26).getFileName().toString(),
        "raw",
        "extended_l2=on");
    QemuIo script = QemuIo.on(k.disk());
    for (int i = 0; i < 32; i++) {
      script.write(i + 1, i * 64 * KIB + i * sub, sub);
      script.zero((32 + i) * 64 * KIB + i * sub, sub);
      long third = (64 + i) * 64 * KIB;
      script.write(i + 101, third, i * sub).write(i + 101, third + (i + 1) * sub, (31 - i) * sub);
    }
    // Zero-length writes at both ends are no commands of qemu-io's.
    QemuIo clean = QemuIo.on(k.disk());
    script.script().stream().filter(line -> !line.endsWith(" 0")).forEach(clean::command);
    clean.run();
  }
}
