package org.qcowfs.it.corpus;

import static org.qcowfs.it.corpus.Kitchen.KIB;
import static org.qcowfs.it.corpus.Kitchen.MIB;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;

/** Compressed clusters: zlib and zstd, all cluster sizes, in every neighbourhood. */
final class CompressedRecipes {
  private CompressedRecipes() {}

  static List<Recipe> all() {
    List<Recipe> recipes = new ArrayList<>();
    for (String type : new String[] {"zlib", "zstd"}) {
      for (String cluster : new String[] {"512", "4k", "64k", "2M"}) {
        recipes.add(
            new Recipe(
                "compressed-" + type + "-" + cluster,
                k ->
                    converted(
                        k, 8 * MIB + 1536, "compression_type=" + type, "cluster_size=" + cluster)));
      }
      recipes.add(
          new Recipe("compressed-mixed-" + type, k -> mixed(k, "compression_type=" + type)));
      recipes.add(
          new Recipe(
              "compressed-extended-l2-" + type,
              k -> mixed(k, "compression_type=" + type, "extended_l2=on")));
    }
    recipes.add(new Recipe("compressed-v2", k -> converted(k, 8 * MIB, "compat=0.10")));
    recipes.add(new Recipe("compressed-over-chain", CompressedRecipes::overChain));
    recipes.add(new Recipe("compressed-snapshots", CompressedRecipes::snapshots));
    return recipes;
  }

  /** What {@code convert -c} makes. */
  private static void converted(Kitchen k, long size, String... options) {
    Path raw = k.rawFile("source.raw", size, 3);
    convertCompressed(raw, k.disk(), options);
  }

  static void convertCompressed(Path raw, Path image, String... options) {
    QemuImg.run(
        "convert",
        "-q",
        "-c",
        "-f",
        "raw",
        "-O",
        "qcow2",
        "-o",
        String.join(",", options),
        raw.toString(),
        image.toString());
  }

  /** Compressed clusters among others, some overwritten in part, some zeroed, some discarded. */
  private static void mixed(Kitchen k, String... options) {
    long size = 16 * MIB;
    QemuImg.create(k.disk(), size, options);
    Scatter.on(k.disk(), 4, size, (int) (64 * KIB))
        .compressed(60, k.text())
        .compressed(20, k.noise())
        .compressed(40, k.text())
        .writes(20, 3)
        .zeroes(6, 3)
        .discards(6, 3)
        .run();
    Scatter.on(k.disk(), 5, size, 512).writes(30, 20).run();
  }

  private static void overChain(Kitchen k) {
    Path base = k.path("base.qcow2");
    convertCompressed(k.rawFile("base.raw", 8 * MIB, 6), base, "compression_type=zstd");
    Path middle = k.path("middle.qcow2");
    QemuImg.createOverlay(middle, "base.qcow2", "qcow2", 12 * MIB, "cluster_size=4k");
    Scatter.on(middle, 7, 12 * MIB, (int) (4 * KIB)).compressed(200, k.text()).writes(30, 9).run();
    QemuImg.createOverlay(k.disk(), "middle.qcow2", "qcow2");
    Scatter.on(k.disk(), 8, 12 * MIB, (int) (64 * KIB))
        .compressed(20, k.noise())
        .zeroes(5, 2)
        .run();
    Scatter.on(k.disk(), 9, 12 * MIB, 512).writes(20, 40).run();
  }

  private static void snapshots(Kitchen k) {
    converted(k, 8 * MIB, "compression_type=zlib");
    QemuImg.snapshot(k.disk(), "compressed");
    QemuIo.on(k.disk()).write(0xaa, 10 * KIB, 300 * KIB).zero(MIB, MIB).run();
    QemuImg.snapshot(k.disk(), "changed");
    QemuIo.on(k.disk()).discard(0, 4 * MIB).run();
  }
}
