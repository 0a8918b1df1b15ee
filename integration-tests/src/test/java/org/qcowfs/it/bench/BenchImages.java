package org.qcowfs.it.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Random;
import org.qcowfs.it.corpus.Kitchen;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.Run;

/** The images the benchmark reads, made once and kept. */
final class BenchImages {
  private static final int MIB = 1 << 20;
  static final int DISK = 512 * MIB;
  static final int SMALL = 192 * MIB;
  static final int EXTENTS = 100_000;
  static final int TREE_FILES = 10_000;

  private final Path folder;

  BenchImages(Path folder) {
    this.folder = folder;
  }

  private interface Maker {
    void make(Path file) throws IOException;
  }

  private Path once(String name, Maker maker) {
    Path file = folder.resolve(name);
    if (!Files.exists(file)) {
      Path part = folder.resolve("part-" + name);
      try {
        Files.deleteIfExists(part);
        maker.make(part);
        Run.ok("sync", "-f", part.toString());
        Files.move(part, file);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
    return file;
  }

  /** 512 MiB of noise. */
  Path raw() {
    return once("disk.raw", file -> fill(file, DISK, false));
  }

  /** The same as qcow2, all clusters allocated. */
  Path qcow2() {
    return once("disk.qcow2", file -> convert(raw(), file, "cluster_size=64k"));
  }

  /** A raw file with 4 KiB of data in every 16 KiB. */
  Path extentsRaw() {
    return once(
        "extents.raw",
        file -> {
          try (FileChannel out = open(file)) {
            byte[] block = new byte[4096];
            for (int i = 0; i < EXTENTS; i++) {
              Arrays.fill(block, (byte) (1 + i % 255));
              out.write(ByteBuffer.wrap(block), i * 16384L);
            }
            out.truncate(EXTENTS * 16384L);
          }
        });
  }

  /** The same as qcow2. */
  Path extents() {
    return once("extents.qcow2", file -> convert(extentsRaw(), file, "cluster_size=4k"));
  }

  /** 192 MiB, half words and half noise, compressed. */
  Path compressed(String type) {
    Path source = once("mixed.raw", file -> fill(file, SMALL, true));
    return once(
        "compressed-" + type + ".qcow2",
        file ->
            QemuImg.run(
                "convert",
                "-f",
                "raw",
                "-O",
                "qcow2",
                "-c",
                "-o",
                "compression_type=" + type,
                source.toString(),
                file.toString()));
  }

  /** A chain of {@code depth} overlays on {@link #qcow2()}, each owning an equal part of it. */
  Path chain(int depth) {
    String below = qcow2().toString();
    Path top = qcow2();
    for (int i = 1; i <= depth; i++) {
      String backing = below;
      int layer = i;
      top =
          once(
              "chain-" + depth + "-" + i + ".qcow2",
              file -> {
                QemuImg.run(
                    "create",
                    "-q",
                    "-u",
                    "-f",
                    "qcow2",
                    "-F",
                    "qcow2",
                    "-b",
                    backing,
                    file.toString(),
                    Integer.toString(DISK));
                QemuIo script = QemuIo.on(file);
                Random random = new Random(layer);
                int clusters = DISK / 65536;
                for (int n = 0; n < clusters / (depth + 1); n++) {
                  script.write(layer, random.nextInt(clusters) * 65536L, 65536);
                }
                script.run();
              });
      below = top.toString();
    }
    return top;
  }

  /** A tree of files of 0 to 32 KiB as a tar file. */
  Path tree() {
    return once(
        "tree.tar",
        file -> {
          Path top = Files.createTempDirectory(folder, "tree");
          Random random = new Random(TREE_FILES);
          for (int i = 0; i < TREE_FILES; i++) {
            Path inside = top.resolve("d" + i % 100).resolve("e" + i % 7);
            Files.createDirectories(inside);
            Files.write(inside.resolve("f" + i), Kitchen.words(random, random.nextInt(32768)));
          }
          Run.ok("tar", "-cf", file.toString(), "-C", top.toString(), ".");
          Run.ok("rm", "-r", top.toString());
        });
  }

  private static void convert(Path raw, Path file, String options) {
    QemuImg.run(
        "convert",
        "-f",
        "raw",
        "-O",
        "qcow2",
        "-S",
        "4k",
        "-o",
        options,
        raw.toString(),
        file.toString());
  }

  private static void fill(Path file, int size, boolean words) throws IOException {
    Random random = new Random(size);
    try (FileChannel out = open(file)) {
      for (int at = 0; at < size; at += MIB) {
        byte[] bytes = new byte[MIB];
        random.nextBytes(bytes);
        if (words && at / MIB % 2 == 0) {
          bytes = Kitchen.words(random, MIB);
        }
        out.write(ByteBuffer.wrap(bytes));
      }
    }
  }

  private static FileChannel open(Path file) throws IOException {
    return FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
  }
}
