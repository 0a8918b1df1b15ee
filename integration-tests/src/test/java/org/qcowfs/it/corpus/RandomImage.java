package org.qcowfs.it.corpus;

import static org.qcowfs.it.corpus.Kitchen.KIB;
import static org.qcowfs.it.corpus.Kitchen.MIB;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;

/**
 * An image made by chance: a chain of one to four layers with random options, each changed by a
 * random qemu-io script, with snapshots and resizes in between. The same seed makes the same image.
 */
public final class RandomImage {
  private final Random random;
  private final Kitchen kitchen;

  private RandomImage(Kitchen kitchen, long seed) {
    this.kitchen = kitchen;
    this.random = new Random(seed);
  }

  /** Makes the image of {@code seed} in {@code kitchen}'s folder. */
  public static Path make(Kitchen kitchen, long seed) {
    new RandomImage(kitchen, seed).layers();
    return kitchen.disk();
  }

  private void layers() {
    int layers = 1 + random.nextInt(4);
    String below = "";
    String format = "qcow2";
    if (random.nextInt(3) == 0) {
      below = "base.raw";
      format = "raw";
      kitchen.rawFile(below, random.nextLong(16 * MIB), random.nextInt());
    }
    for (int i = 0; i < layers; i++) {
      String name = i == layers - 1 ? "disk.qcow2" : "layer-" + i + ".qcow2";
      layer(kitchen.path(name), below, format);
      below = name;
      format = "qcow2";
    }
  }

  private void layer(Path image, String below, String format) {
    long size = 512 * (1 + random.nextLong(32 * MIB / 512));
    List<String> options = new ArrayList<>();
    int clusterBits = random.nextInt(3) == 0 ? 9 + random.nextInt(13) : 16;
    if (clusterBits < 12) {
      size = Math.min(size, 4 * MIB);
    }
    boolean version2 = random.nextInt(6) == 0;
    boolean extended = !version2 && clusterBits >= 14 && random.nextInt(3) == 0;
    boolean external = !version2 && random.nextInt(8) == 0;
    int refcountBits = 16;
    options.add("cluster_size=" + (1L << clusterBits));
    if (version2) {
      options.add("compat=0.10");
    } else {
      refcountBits = 1 << random.nextInt(7);
      options.add("refcount_bits=" + refcountBits);
      options.add("compression_type=" + (random.nextBoolean() ? "zlib" : "zstd"));
    }
    if (extended) {
      options.add("extended_l2=on");
    }
    if (external) {
      options.add("data_file=" + image + ".data");
    }
    boolean preallocated = below.isEmpty() && random.nextInt(5) == 0;
    if (below.isEmpty()) {
      if (preallocated) {
        options.add("preallocation=" + (random.nextBoolean() ? "metadata" : "falloc"));
      }
      QemuImg.create(image, size, options.toArray(String[]::new));
    } else {
      QemuImg.createOverlay(image, below, format, size, options.toArray(String[]::new));
    }
    // Reverting to a snapshot needs one reference more than the snapshots themselves take.
    int snapshots =
        external ? 0 : Math.min(random.nextInt(4), refcountBits < 4 ? refcountBits - 1 : 3);
    changes(image, size, 1 << clusterBits, !external && !preallocated);
    for (int i = 0; i < snapshots; i++) {
      QemuImg.snapshot(image, "snapshot " + i);
      if (random.nextInt(3) == 0 && !version2) {
        size += 512 * random.nextLong(4 * MIB / 512);
        QemuImg.resize(image, size);
      }
      changes(image, size, 1 << clusterBits, false);
    }
  }

  /** One qemu-io process; compressed writes come first, while their clusters are unallocated. */
  private void changes(Path image, long size, int cluster, boolean fresh) {
    QemuIo script = QemuIo.on(image);
    if (fresh && size >= cluster && random.nextInt(3) == 0) {
      List<Long> clusters = new ArrayList<>();
      for (long i = 0; i < size / cluster && i < 200; i++) {
        clusters.add(i * cluster);
      }
      Collections.shuffle(clusters, random);
      Path source = random.nextInt(4) == 0 ? kitchen.noise() : kitchen.text();
      if (cluster <= MIB) {
        clusters.stream()
            .limit(random.nextInt(30))
            .forEach(offset -> script.writeCompressedFrom(source, offset, cluster));
      }
    }
    int count = 5 + random.nextInt(60);
    for (int i = 0; i < count; i++) {
      long unit = random.nextBoolean() ? 512 : Math.min(4 * KIB, cluster);
      long units = size / unit;
      if (units == 0) {
        continue;
      }
      long first = random.nextLong(units);
      long longest = random.nextInt(4) == 0 ? 3L * cluster / unit : 16;
      long length = unit * (1 + random.nextLong(Math.min(longest, units - first)));
      switch (random.nextInt(8)) {
        case 0 -> script.zero(first * unit, length);
        case 1 -> script.zeroUnmap(first * unit, length);
        case 2 -> script.discard(first * unit, length);
        default -> script.write(1 + random.nextInt(255), first * unit, length);
      }
    }
    script.run();
  }
}
