package org.qcowfs.engine.proof;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * What an image is: one point of the product of all options.
 *
 * @param version 2 or 3
 * @param clusterBits 9 to 21
 * @param refcountBits 1 to 64
 * @param extendedL2 subclusters
 * @param dataFile none, an external data file, or one that is raw
 * @param preallocation as {@code qemu-img create} takes it
 * @param lazyRefcounts as {@code qemu-img create} takes it
 * @param content whether it holds data before the work begins
 * @param compressed whether some of the content is compressed
 * @param zstd whether that is by zstd
 * @param snapshots internal snapshots taken before, with other content in between
 * @param backing what it stands on
 * @param size of the disk in bytes, a multiple of 512
 */
record Shape(
    int version,
    int clusterBits,
    int refcountBits,
    boolean extendedL2,
    DataFile dataFile,
    String preallocation,
    boolean lazyRefcounts,
    boolean content,
    boolean compressed,
    boolean zstd,
    int snapshots,
    Backing backing,
    int size) {

  enum DataFile {
    NONE,
    OTHER,
    RAW
  }

  /** What is below. */
  enum Backing {
    NONE,
    RAW,
    QCOW2,
    SHORTER,
    LONGER,
    FOUR_DEEP
  }

  /** A version 3 image of defaults, empty. */
  static Shape plain(int clusterBits, int size) {
    return new Shape(
        3,
        clusterBits,
        16,
        false,
        DataFile.NONE,
        "off",
        false,
        false,
        false,
        false,
        0,
        Backing.NONE,
        size);
  }

  Shape withContent(boolean compressedToo) {
    return new Shape(
        version,
        clusterBits,
        refcountBits,
        extendedL2,
        dataFile,
        preallocation,
        lazyRefcounts,
        true,
        compressedToo,
        zstd,
        snapshots,
        backing,
        size);
  }

  Shape withVersion2() {
    return new Shape(
        2,
        clusterBits,
        16,
        false,
        DataFile.NONE,
        preallocation,
        false,
        content,
        compressed,
        false,
        snapshots,
        backing,
        size);
  }

  Shape withSnapshots(int count) {
    return new Shape(
        version,
        clusterBits,
        refcountBits,
        extendedL2,
        dataFile,
        preallocation,
        lazyRefcounts,
        true,
        compressed,
        zstd,
        count,
        backing,
        size);
  }

  Shape withBacking(Backing below) {
    return new Shape(
        version,
        clusterBits,
        refcountBits,
        extendedL2,
        dataFile,
        preallocation,
        lazyRefcounts,
        content,
        compressed,
        zstd,
        snapshots,
        below,
        size);
  }

  Shape withExtendedL2() {
    return new Shape(
        version,
        clusterBits,
        refcountBits,
        true,
        dataFile,
        preallocation,
        lazyRefcounts,
        content,
        compressed,
        zstd,
        snapshots,
        backing,
        size);
  }

  Shape withRefcountBits(int bits) {
    return new Shape(
        version,
        clusterBits,
        bits,
        extendedL2,
        dataFile,
        preallocation,
        lazyRefcounts,
        content,
        compressed,
        zstd,
        snapshots,
        backing,
        size);
  }

  Shape withDataFile(DataFile file) {
    return new Shape(
        version,
        clusterBits,
        refcountBits,
        extendedL2,
        file,
        preallocation,
        lazyRefcounts,
        content,
        compressed,
        zstd,
        snapshots,
        backing,
        size);
  }

  Shape withSize(int bytes) {
    return new Shape(
        version,
        clusterBits,
        refcountBits,
        extendedL2,
        dataFile,
        preallocation,
        lazyRefcounts,
        content,
        compressed,
        zstd,
        snapshots,
        backing,
        bytes);
  }

  /** Draws a shape that {@code qemu-img create} accepts. */
  static Shape random(Random random) {
    int version = random.nextInt(6) == 0 ? 2 : 3;
    boolean extended = version == 3 && random.nextInt(4) == 0;
    int clusterBits = extended ? 14 + random.nextInt(8) : 9 + random.nextInt(13);
    if (random.nextInt(3) == 0) {
      clusterBits = 16;
    } else if (!extended && random.nextInt(5) == 0) {
      clusterBits = 9;
    }
    int refcountBits = version == 2 || random.nextBoolean() ? 16 : 1 << random.nextInt(7);
    DataFile dataFile = DataFile.NONE;
    if (version == 3 && random.nextInt(6) == 0) {
      dataFile = random.nextBoolean() ? DataFile.OTHER : DataFile.RAW;
    }
    Backing backing = Backing.NONE;
    if (dataFile != DataFile.RAW && random.nextInt(5) < 2) {
      backing = Backing.values()[1 + random.nextInt(Backing.values().length - 1)];
    }
    String preallocation = "off";
    // QEMU 7.2 takes preallocation over a backing file only with extended L2 entries.
    if ((backing == Backing.NONE || extended) && random.nextInt(4) == 0) {
      preallocation = random.nextBoolean() ? "metadata" : "falloc";
    }
    boolean content = random.nextInt(3) > 0;
    // Small compressed clusters share host clusters until a narrow refcount overflows.
    boolean compressed =
        content
            && dataFile == DataFile.NONE
            && preallocation.equals("off")
            && refcountBits >= 16
            && random.nextInt(3) == 0;
    int snapshots = 0;
    if (refcountBits >= 4 && dataFile == DataFile.NONE && random.nextInt(3) == 0) {
      snapshots = 1 + random.nextInt(2);
    }
    int size;
    if (clusterBits == 9) {
      size = 64 << 10 << random.nextInt(4);
    } else {
      size = (1 << 20) + random.nextInt(4 << 20);
      size = Math.max(size, 3 << clusterBits);
    }
    if (random.nextInt(3) > 0) {
      size = size >> 16 << 16;
    }
    size = size >> 9 << 9;
    boolean zstd = version == 3 && compressed && random.nextBoolean();
    boolean lazy = version == 3 && random.nextInt(8) == 0;
    return new Shape(
        version,
        clusterBits,
        refcountBits,
        extended,
        dataFile,
        preallocation,
        lazy,
        content,
        compressed,
        zstd,
        snapshots,
        backing,
        size);
  }

  int clusterSize() {
    return 1 << clusterBits;
  }

  /** The {@code -o} words of {@code qemu-img create}, without the backing file. */
  List<String> options(String dataFileName) {
    List<String> options = new ArrayList<>();
    options.add("compat=" + (version == 2 ? "0.10" : "1.1"));
    options.add("cluster_size=" + clusterSize());
    options.add("refcount_bits=" + refcountBits);
    options.add("preallocation=" + preallocation);
    if (version == 3) {
      options.add("lazy_refcounts=" + (lazyRefcounts ? "on" : "off"));
      if (zstd) {
        options.add("compression_type=zstd");
      }
      if (extendedL2) {
        options.add("extended_l2=on");
      }
      if (dataFile != DataFile.NONE) {
        options.add("data_file=" + dataFileName);
        options.add("data_file_raw=" + (dataFile == DataFile.RAW ? "on" : "off"));
      }
    }
    return options;
  }
}
