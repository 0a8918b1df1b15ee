package org.qcowfs.it.corpus;

import static org.qcowfs.it.corpus.Kitchen.GIB;
import static org.qcowfs.it.corpus.Kitchen.KIB;
import static org.qcowfs.it.corpus.Kitchen.MIB;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.Run;

/** Versions, cluster sizes, virtual sizes, refcount widths, zero clusters, preallocation. */
final class PlainRecipes {
  private PlainRecipes() {}

  static List<Recipe> all() {
    List<Recipe> recipes = new ArrayList<>();
    recipes.add(new Recipe("empty", k -> QemuImg.create(k.disk(), 10 * MIB)));
    recipes.add(new Recipe("size-0", k -> QemuImg.create(k.disk(), 0)));
    recipes.add(new Recipe("size-1-sector", PlainRecipes::oneSector));
    recipes.add(new Recipe("v2", k -> scattered(k, 64 * MIB, 64 * KIB, "compat=0.10")));
    recipes.add(new Recipe("v3", k -> scattered(k, 64 * MIB, 64 * KIB, "compat=1.1")));
    for (int bits : new int[] {9, 10, 12, 14, 16, 18, 21}) {
      long cluster = 1L << bits;
      // No multiple of a cluster (nor, for the larger ones, of a host page).
      long size = Math.max(4 * MIB, 20 * cluster) + (cluster > 512 ? 512 * 3 : 0);
      recipes.add(
          new Recipe(
              "cluster-" + cluster, k -> scattered(k, size, cluster, "cluster_size=" + cluster)));
      recipes.add(
          new Recipe(
              "v2-cluster-" + cluster,
              k -> scattered(k, size, cluster, "compat=0.10", "cluster_size=" + cluster)));
    }
    for (int bits = 1; bits <= 64; bits *= 2) {
      int width = bits;
      recipes.add(
          new Recipe(
              "refcount-" + width,
              k -> scattered(k, 32 * MIB, 64 * KIB, "refcount_bits=" + width)));
    }
    recipes.add(
        new Recipe(
            "refcount-64-cluster-512",
            k -> scattered(k, 2 * MIB, 512, "refcount_bits=64", "cluster_size=512")));
    recipes.add(new Recipe("zero-clusters", PlainRecipes::zeroClusters));
    for (String mode : new String[] {"metadata", "falloc", "full"}) {
      recipes.add(
          new Recipe(
              "preallocation-" + mode,
              k -> scattered(k, 16 * MIB + 512, 64 * KIB, "preallocation=" + mode)));
    }
    recipes.add(new Recipe("shuffled", PlainRecipes::shuffled));
    recipes.add(new Recipe("lazy-dirty", PlainRecipes::lazyDirty));
    recipes.add(new Recipe("bitmaps", PlainRecipes::bitmaps));
    recipes.add(new Recipe("preallocated-256-gib", PlainRecipes::hugePreallocated));
    return recipes;
  }

  /** Writes, zeroes and discards of whole and half clusters. */
  static void scattered(Kitchen k, long size, long cluster, String... options) {
    QemuImg.create(k.disk(), size, options);
    Scatter.on(k.disk(), size + cluster, size, 512)
        .writes(60, (int) (3 * cluster / 512))
        .zeroes(20, (int) (3 * cluster / 512))
        .discards(10, (int) (3 * cluster / 512))
        .writes(20, 8)
        .run();
    // The very first and the very last bytes, where off-by-one lives.
    QemuIo.on(k.disk()).write(0x11, 0, 512).write(0x99, size - 512, 512).run();
  }

  private static void oneSector(Kitchen k) {
    QemuImg.create(k.disk(), 512);
    QemuIo.on(k.disk()).write(7, 0, 512).run();
  }

  /** Each way a cluster can be zero, beside each kind of neighbour. */
  private static void zeroClusters(Kitchen k) {
    QemuImg.create(k.disk(), 32 * MIB);
    QemuIo script = QemuIo.on(k.disk());
    for (int i = 0; i < 64; i++) {
      long at = i * 128 * KIB;
      script.write(i + 1, at, 128 * KIB);
      switch (i % 4) {
        case 0 -> script.zero(at, 64 * KIB);
        case 1 -> script.zeroUnmap(at + 64 * KIB, 64 * KIB);
        case 2 -> script.discard(at, 64 * KIB);
        default -> script.zero(at + 32 * KIB, 64 * KIB);
      }
    }
    script.zero(16 * MIB, 8 * MIB).run();
  }

  /** Host order has nothing to do with guest order. */
  private static void shuffled(Kitchen k) {
    QemuImg.create(k.disk(), 32 * MIB);
    QemuIo script = QemuIo.on(k.disk());
    for (int i = 0; i < 256; i++) {
      script.write(i + 1, i * 77 % 512 * 64 * KIB, 64 * KIB);
    }
    script.run();
  }

  /** The writer died: the dirty bit is set, refcounts are behind. */
  private static void lazyDirty(Kitchen k) {
    QemuImg.create(k.disk(), 16 * MIB, "lazy_refcounts=on");
    Run.Result result =
        Run.run(
            Run.PATIENCE,
            List.of("qemu-io", "-f", "qcow2", k.disk().toString()),
            Path.of("."),
            Map.of(),
            "write -q -P 5 0 1M\nwrite -q -P 6 4M 192k\nwrite -q -z 64k 64k\nflush\nabort\n");
    if (result.exitCode() == 0 || !QemuImg.info(k.disk()).contains("\"dirty-flag\": true")) {
      throw new AssertionError("the image is not dirty: " + result);
    }
  }

  private static void bitmaps(Kitchen k) {
    QemuImg.create(k.disk(), 16 * MIB);
    QemuIo.on(k.disk()).write(1, 0, MIB).run();
    QemuImg.run("bitmap", "--add", k.disk().toString(), "first");
    QemuImg.run("bitmap", "--add", "-g", "4k", "--disable", k.disk().toString(), "second");
    QemuIo.on(k.disk()).write(2, 8 * MIB, 100 * KIB).run();
  }

  /** All clusters allocated by metadata, nearly none on the host. */
  private static void hugePreallocated(Kitchen k) {
    QemuImg.create(k.disk(), 256 * GIB, "cluster_size=2M", "preallocation=metadata");
    QemuIo.on(k.disk())
        .write(1, 0, 4 * KIB)
        .write(2, 100 * GIB, MIB)
        .write(3, 256 * GIB - 512, 512)
        .run();
  }
}
