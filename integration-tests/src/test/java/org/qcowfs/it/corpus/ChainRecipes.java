package org.qcowfs.it.corpus;

import static org.qcowfs.it.corpus.Kitchen.KIB;
import static org.qcowfs.it.corpus.Kitchen.MIB;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;

/** Backing chains: raw and qcow2 bases, shorter and longer than what stands on them, deep. */
final class ChainRecipes {
  private ChainRecipes() {}

  static List<Recipe> all() {
    List<Recipe> recipes = new ArrayList<>();
    recipes.add(new Recipe("chain-raw-shorter", k -> overRaw(k, 3 * MIB + 1024, 8 * MIB)));
    recipes.add(new Recipe("chain-raw-longer", k -> overRaw(k, 8 * MIB, 3 * MIB + 1024)));
    recipes.add(new Recipe("chain-raw-odd-bytes", k -> overRaw(k, 3 * MIB + 777, 8 * MIB)));
    recipes.add(new Recipe("chain-raw-empty", k -> overRaw(k, 0, 8 * MIB)));
    recipes.add(new Recipe("chain-qcow2-shorter", k -> overQcow2(k, 5 * MIB + 512, 16 * MIB)));
    recipes.add(new Recipe("chain-qcow2-longer", k -> overQcow2(k, 16 * MIB, 5 * MIB + 512)));
    recipes.add(new Recipe("chain-sizes-up-and-down", ChainRecipes::upAndDown));
    recipes.add(new Recipe("chain-cluster-sizes", ChainRecipes::clusterSizes));
    recipes.add(new Recipe("chain-versions", ChainRecipes::versions));
    recipes.add(new Recipe("chain-relative-names", ChainRecipes::relativeNames));
    recipes.add(new Recipe("chain-64", k -> deep(k, 64)));
    return recipes;
  }

  private static void overRaw(Kitchen k, long base, long size) {
    k.rawFile("base.raw", base, 40);
    QemuImg.createOverlay(k.disk(), "base.raw", "raw", size);
    Scatter.on(k.disk(), 41, size, 512).writes(20, 100).zeroes(10, 200).discards(5, 200).run();
  }

  private static void overQcow2(Kitchen k, long base, long size) {
    Path below = k.path("base.qcow2");
    QemuImg.create(below, base);
    Scatter.on(below, 42, base, 512).writes(40, 300).zeroes(10, 200).run();
    QemuImg.createOverlay(k.disk(), "base.qcow2", "qcow2", size);
    Scatter.on(k.disk(), 43, size, 512).writes(20, 100).zeroes(10, 300).discards(5, 200).run();
  }

  /** A shorter layer in the middle hides what lies below its end. */
  private static void upAndDown(Kitchen k) {
    k.rawFile("base.raw", 8 * MIB, 44);
    overlay(k, "short.qcow2", "base.raw", "raw", 2 * MIB + 512, 45);
    overlay(k, "long.qcow2", "short.qcow2", "qcow2", 10 * MIB, 46);
    overlay(k, "middle.qcow2", "long.qcow2", "qcow2", 6 * MIB + 1536, 47);
    overlay(k, "disk.qcow2", "middle.qcow2", "qcow2", 12 * MIB, 48);
  }

  private static void overlay(
      Kitchen k, String name, String below, String format, long size, int seed, String... options) {
    QemuImg.createOverlay(k.path(name), below, format, size, options);
    Scatter.on(k.path(name), seed, size, 512).writes(12, 200).zeroes(6, 300).run();
  }

  private static void clusterSizes(Kitchen k) {
    k.rawFile("base.raw", 12 * MIB, 50);
    overlay(k, "a.qcow2", "base.raw", "raw", 12 * MIB, 51, "cluster_size=2M");
    overlay(k, "b.qcow2", "a.qcow2", "qcow2", 12 * MIB, 52, "cluster_size=512");
    overlay(k, "c.qcow2", "b.qcow2", "qcow2", 12 * MIB, 53, "cluster_size=256k", "extended_l2=on");
    overlay(k, "disk.qcow2", "c.qcow2", "qcow2", 12 * MIB, 54, "cluster_size=4k");
  }

  private static void versions(Kitchen k) {
    overlay(
        k,
        "a.qcow2",
        k.rawFile("base.raw", 4 * MIB, 55).getFileName().toString(),
        "raw",
        4 * MIB,
        56,
        "compat=0.10");
    QemuImg.createOverlay(k.disk(), "a.qcow2", "qcow2");
    Scatter.on(k.disk(), 57, 4 * MIB, 512).writes(12, 100).zeroes(6, 200).run();
  }

  /** Each name is relative to the folder of the file that names it, not to anybody's cwd. */
  private static void relativeNames(Kitchen k) {
    try {
      Files.createDirectories(k.path("below/deeper"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    k.rawFile("below/deeper/base.raw", 4 * MIB, 58);
    overlay(k, "below/middle.qcow2", "deeper/base.raw", "raw", 4 * MIB, 59);
    overlay(k, "below/deeper/upper.qcow2", "../middle.qcow2", "qcow2", 4 * MIB, 60);
    overlay(k, "disk.qcow2", "below/deeper/upper.qcow2", "qcow2", 4 * MIB, 61);
  }

  /** A chain of {@code depth} qcow2 layers; each layer owns a few clusters. */
  static void deep(Kitchen k, int depth) {
    long size = 8 * MIB;
    String below = k.rawFile("base.raw", size, 62).getFileName().toString();
    for (int i = 1; i < depth; i++) {
      String name = i == depth - 1 ? "disk.qcow2" : String.format("layer-%02d.qcow2", i);
      // -u: without opening the backing file, or making the chain takes quadratic time.
      QemuImg.run(
          "create",
          "-q",
          "-u",
          "-f",
          "qcow2",
          "-b",
          below,
          "-F",
          i == 1 ? "raw" : "qcow2",
          k.path(name).toString(),
          Long.toString(size));
      QemuIo script = QemuIo.on(k.path(name));
      for (int n = 0; n < 4; n++) {
        script.write(i, (long) (i * 7 + n * 31) % 128 * 64 * KIB, 64 * KIB);
      }
      script.zero((long) (i * 13) % 128 * 64 * KIB, 4 * KIB).run();
      below = name;
    }
  }
}
