package org.qcowfs.it.corpus;

import static org.qcowfs.it.corpus.Kitchen.KIB;
import static org.qcowfs.it.corpus.Kitchen.MIB;

import java.util.List;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;

/** Internal snapshots: both versions, sizes that changed, odd names, virtual-machine state. */
final class SnapshotRecipes {
  private SnapshotRecipes() {}

  static List<Recipe> all() {
    return List.of(
        new Recipe("snapshots", k -> series(k, 3)),
        new Recipe("snapshots-v2", k -> series(k, 2, "compat=0.10")),
        new Recipe("snapshots-refcount-2", k -> series(k, 1, "refcount_bits=2")),
        new Recipe("snapshots-refcount-64", k -> series(k, 2, "refcount_bits=64")),
        new Recipe("snapshots-cluster-512", k -> series(k, 2, "cluster_size=512")),
        new Recipe("snapshots-20", k -> series(k, 20)),
        new Recipe("snapshots-grown", SnapshotRecipes::grown),
        new Recipe("snapshots-shrunk", SnapshotRecipes::shrunk),
        new Recipe("snapshots-over-chain", SnapshotRecipes::overChain),
        new Recipe("snapshots-names", SnapshotRecipes::names),
        new Recipe("snapshots-vm-state", SnapshotRecipes::vmState));
  }

  private static void series(Kitchen k, int count, String... options) {
    long size = 8 * MIB;
    QemuImg.create(k.disk(), size, options);
    for (int i = 1; i <= count; i++) {
      Scatter.on(k.disk(), 70 + i, size, 512).writes(10, 200).zeroes(4, 200).discards(2, 400).run();
      QemuImg.snapshot(k.disk(), "snapshot " + i);
    }
    Scatter.on(k.disk(), 69, size, 512).writes(10, 200).discards(2, 400).run();
  }

  private static void grown(Kitchen k) {
    QemuImg.create(k.disk(), 4 * MIB + 512);
    Scatter.on(k.disk(), 91, 4 * MIB, 512).writes(20, 200).run();
    QemuImg.snapshot(k.disk(), "small");
    QemuImg.resize(k.disk(), 2048 * MIB);
    QemuIo.on(k.disk()).write(9, 1000 * MIB, MIB).run();
    QemuImg.snapshot(k.disk(), "large");
    QemuIo.on(k.disk()).write(10, 0, MIB).run();
  }

  private static void shrunk(Kitchen k) {
    QemuImg.create(k.disk(), 1024 * MIB);
    QemuIo.on(k.disk()).write(1, 0, MIB).write(2, 900 * MIB, MIB).run();
    QemuImg.snapshot(k.disk(), "large");
    QemuImg.resize(k.disk(), 3 * MIB);
    QemuIo.on(k.disk()).write(3, 512 * KIB, MIB).run();
  }

  private static void overChain(Kitchen k) {
    k.rawFile("base.raw", 6 * MIB, 92);
    QemuImg.createOverlay(k.disk(), "base.raw", "raw", 8 * MIB);
    Scatter.on(k.disk(), 93, 8 * MIB, 512).writes(10, 100).run();
    QemuImg.snapshot(k.disk(), "first");
    Scatter.on(k.disk(), 94, 8 * MIB, 512).writes(10, 100).zeroes(5, 300).run();
    QemuImg.snapshot(k.disk(), "second");
    Scatter.on(k.disk(), 95, 8 * MIB, 512).writes(5, 100).discards(5, 300).run();
  }

  /** Names that are no file names. */
  private static void names(Kitchen k) {
    QemuImg.create(k.disk(), MIB);
    int i = 1;
    for (String name :
        new String[] {"..", ".", "a/b", "été ☃", "two\nlines", "\033[31mred", "a b"}) {
      QemuIo.on(k.disk()).write(i++, 0, 128 * KIB).run();
      QemuImg.snapshot(k.disk(), name);
    }
  }

  /**
   * A snapshot with virtual-machine state, as {@code savevm} would leave it: the state lies behind
   * the end of the disk, from the first L1 entry that the disk does not need. Made by writing there
   * while the disk is still larger, and then patching the sizes.
   */
  private static void vmState(Kitchen k) {
    long size = 8 * MIB;
    long stateAt = 512 * MIB; // one L1 entry of 64 KiB clusters
    long stateSize = 300 * KIB + 123;
    QemuImg.create(k.disk(), 2 * stateAt);
    QemuIo.on(k.disk()).write(1, 0, MIB).writeFrom(k.noise(), stateAt, 320 * KIB).run();
    QemuImg.snapshot(k.disk(), "running");
    try (Patcher patcher = Patcher.open(k.disk())) {
      patcher.header("size", size);
      long entry = patcher.header("snapshots_offset");
      patcher.u32(entry + 32, stateSize);
      patcher.u64(entry + 40, stateSize);
      patcher.u64(entry + 48, size);
    }
    QemuIo.on(k.disk()).write(2, 64 * KIB, MIB).run();
  }
}
