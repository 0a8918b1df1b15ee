package org.qcowfs.it.damaged;

import static org.qcowfs.it.corpus.Kitchen.KIB;
import static org.qcowfs.it.corpus.Kitchen.MIB;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.Map;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/**
 * Healthy images to damage: 4 MiB of disk, the first 3 MiB data of which every sector is different,
 * the rest unallocated.
 */
enum Seed {
  /** Version 3, 4 KiB clusters (so 2 L1 entries), one snapshot "snap", changed after it. */
  PLAIN,
  /** Version 2, 4 KiB clusters. */
  VERSION_2,
  /** Extended L2 entries, 16 KiB clusters. */
  EXTENDED_L2,
  /** All data compressed with zlib, 64 KiB clusters. */
  ZLIB,
  /** All data compressed with zstd, 64 KiB clusters. */
  ZSTD,
  /** An overlay of {@code base.raw}. */
  OVERLAY,
  /** With the external data file {@code disk.data}. */
  DATA_FILE,
  /** With a bitmap. */
  BITMAP;

  static final long SIZE = 4 * MIB;
  static final long DATA = 3 * MIB;

  private static final Map<Seed, Path> MADE = new EnumMap<>(Seed.class);

  /** Puts a copy of this seed's files into {@code folder} and returns the image. */
  Path copyTo(Path folder) {
    Run.ok("cp", "-r", "--sparse=auto", made().toString() + "/.", folder.toString());
    Path image = folder.resolve("disk.qcow2");
    if (this == DATA_FILE) {
      // The name recorded is a path in the seed's folder.
      QemuImg.run(
          "amend", "-f", "qcow2", "-o", "data_file=" + folder + "/disk.data", image.toString());
    }
    return image;
  }

  /** What a guest sees of the healthy image. */
  byte[] truth() {
    try {
      return Files.readAllBytes(made().resolve("truth"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private Path made() {
    synchronized (MADE) {
      return MADE.computeIfAbsent(this, seed -> seed.make());
    }
  }

  private Path make() {
    Path folder = TempImages.work().resolve("seeds").resolve(name());
    TempImages.deleteTree(folder);
    try {
      Files.createDirectories(folder);
      Path raw = Files.write(folder.resolve("base.raw"), numberedSectors());
      Run.ok("truncate", "-s", Long.toString(SIZE), raw.toString());
      Path image = folder.resolve("disk.qcow2");
      switch (this) {
        case PLAIN -> {
          convert(raw, image, "cluster_size=4k");
          QemuImg.snapshot(image, "snap");
          QemuIo.on(image).write(0xaa, MIB, 64 * KIB).run();
        }
        case VERSION_2 -> convert(raw, image, "cluster_size=4k,compat=0.10");
        case EXTENDED_L2 -> convert(raw, image, "cluster_size=16k,extended_l2=on");
        case ZLIB -> convert(raw, image, "compression_type=zlib", "-c");
        case ZSTD -> convert(raw, image, "compression_type=zstd", "-c");
        case OVERLAY -> {
          QemuImg.createOverlay(image, "base.raw", "raw");
          QemuIo.on(image).write(0xbb, 0, 64 * KIB).run();
        }
        case DATA_FILE ->
            convert(raw, image, "cluster_size=4k,data_file=" + folder.resolve("disk.data"));
        case BITMAP -> {
          convert(raw, image, "cluster_size=4k");
          QemuImg.run("bitmap", "--add", image.toString(), "bitmap");
        }
      }
      QemuImg.toRaw(image, "qcow2", folder.resolve("truth"));
      return folder;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void convert(Path raw, Path image, String options, String... more) {
    String[] all = {
      "convert", "-q", "-f", "raw", "-O", "qcow2", "-o", options, raw.toString(), image.toString()
    };
    String[] arguments = new String[all.length + more.length];
    System.arraycopy(all, 0, arguments, 0, 1);
    System.arraycopy(more, 0, arguments, 1, more.length);
    System.arraycopy(all, 1, arguments, 1 + more.length, all.length - 1);
    QemuImg.run(arguments);
  }

  private static byte[] numberedSectors() {
    byte[] bytes = new byte[(int) DATA];
    for (int sector = 0; sector < DATA / 512; sector++) {
      byte[] line =
          String.format("sector %08d of the disk\n", sector).getBytes(StandardCharsets.US_ASCII);
      for (int at = 0; at < 512; at++) {
        bytes[sector * 512 + at] = line[at % line.length];
      }
    }
    return bytes;
  }
}
