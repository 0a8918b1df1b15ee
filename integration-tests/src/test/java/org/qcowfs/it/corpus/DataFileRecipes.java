package org.qcowfs.it.corpus;

import static org.qcowfs.it.corpus.Kitchen.KIB;
import static org.qcowfs.it.corpus.Kitchen.MIB;

import java.nio.file.Path;
import java.util.List;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;

/** External data files: clusters in a file of their own. */
final class DataFileRecipes {
  private DataFileRecipes() {}

  static List<Recipe> all() {
    return List.of(
        new Recipe("data-file", k -> image(k)),
        new Recipe("data-file-raw", k -> image(k, "data_file_raw=on")),
        new Recipe("data-file-extended-l2", k -> image(k, "extended_l2=on")),
        new Recipe("data-file-cluster-4k", k -> image(k, "cluster_size=4k")),
        new Recipe("data-file-preallocated", k -> image(k, "preallocation=metadata")),
        new Recipe("data-file-chain", DataFileRecipes::chain));
  }

  private static void image(Kitchen k, String... options) {
    long size = 16 * MIB + 512;
    make(k.disk(), k.path("disk.data"), size, options);
  }

  private static void make(Path image, Path data, long size, String... options) {
    // By its full path: QEMU resolves a relative name against the folder it happens to run in.
    String[] all = new String[options.length + 1];
    System.arraycopy(options, 0, all, 1, options.length);
    all[0] = "data_file=" + data;
    QemuImg.create(image, size, all);
    Scatter.on(image, 30, size, 512).writes(50, 300).zeroes(20, 300).discards(10, 300).run();
    QemuIo.on(image).write(0x42, size - 512, 512).run();
  }

  private static void chain(Kitchen k) {
    make(k.path("base.qcow2"), k.path("base.data"), 12 * MIB, "cluster_size=64k");
    QemuImg.createOverlay(k.disk(), "base.qcow2", "qcow2", 16 * MIB);
    Scatter.on(k.disk(), 31, 16 * MIB, (int) (4 * KIB)).writes(30, 30).zeroes(10, 40).run();
  }
}
