package org.qcowfs.it.fuzz;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.qcowfs.it.corpus.Kitchen;
import org.qcowfs.it.corpus.Patcher;
import org.qcowfs.it.corpus.RandomImage;
import org.qcowfs.it.support.QemuImg;

/**
 * Healthy images to damage, each in a folder of its own, and beside them what no image may show: a
 * file full of {@link Sectors#SECRET}, with a symbolic link to it among each image's files.
 */
final class Disks {
  /** Large enough to be read as a disk. */
  private static final int SECRET_BYTES = 4 << 20;

  private final Path folder;
  private final List<Disk> disks = new ArrayList<>();

  /**
   * A healthy image.
   *
   * @param folder where its files are
   * @param image the top layer
   * @param originals a copy of each file, by the file
   * @param fields of each qcow2 file, sorted by path
   * @param fingerprints {@link Sectors#of(Path)} of each file
   */
  record Disk(
      Path folder,
      Path image,
      Map<Path, Path> originals,
      SortedMap<Path, Fields> fields,
      Map<Path, long[]> fingerprints) {
    /** Where what is in one of the qcow2 files. */
    Fields fieldsOf(Path file) {
      Fields found = fields.get(file);
      if (found == null) {
        throw new IllegalArgumentException(file + " is none of the image's files");
      }
      return found;
    }

    /** The sectors of all files, of which {@code changed} is not as it was. */
    Sectors sectors(Path changed) throws IOException {
      List<long[]> known = new ArrayList<>();
      for (Map.Entry<Path, long[]> file : fingerprints.entrySet()) {
        known.add(file.getKey().equals(changed) ? Sectors.of(changed) : file.getValue());
      }
      return new Sectors(known);
    }

    /** Puts every file back as it was. */
    void restore() throws IOException {
      for (Map.Entry<Path, Path> file : originals.entrySet()) {
        if (!Files.exists(file.getKey()) || Files.mismatch(file.getKey(), file.getValue()) >= 0) {
          copy(file.getValue(), file.getKey());
        }
      }
      try (Stream<Path> all = Files.list(folder)) {
        for (Path path : all.filter(Files::isRegularFile).toList()) {
          if (!originals.containsKey(path) && !Files.isSymbolicLink(path)) {
            Files.delete(path);
          }
        }
      }
    }
  }

  private Disks(Path folder) {
    this.folder = folder;
  }

  /** Makes {@code count} images in {@code folder}; the same every time. */
  static Disks make(Path folder, int count) throws IOException {
    Disks disks = new Disks(folder);
    Files.createDirectories(folder.resolve("outside"));
    byte[] secret = new byte[SECRET_BYTES];
    for (int at = 0; at < secret.length; at += Sectors.SECRET.length) {
      System.arraycopy(Sectors.SECRET, 0, secret, at, Sectors.SECRET.length);
    }
    Files.write(disks.secret(), secret);
    for (int i = 0; i < count; i++) {
      disks.add(i);
    }
    return disks;
  }

  /** The file that nothing may show. */
  Path secret() {
    return folder.resolve("outside").resolve("secret.raw");
  }

  /** Where to mount. */
  Path mountPoint() throws IOException {
    return Files.createDirectories(folder.resolve("mnt"));
  }

  /** A file that is written anew each time. */
  Path scratch() {
    return folder.resolve("scratch");
  }

  /** The image that a seed damages. */
  Disk of(long seed) {
    return disks.get((int) Math.floorMod(seed, (long) disks.size()));
  }

  private void add(int i) throws IOException {
    Kitchen kitchen = Kitchen.in(folder.resolve("disk" + i), folder.resolve("sources"));
    Path image = RandomImage.make(kitchen, i + 1);
    if (i % 4 == 3) {
      QemuImg.run("bitmap", "--add", "-g", "4096", image.toString(), "one");
      QemuImg.run("bitmap", "--add", "--disable", image.toString(), "two");
    }
    Files.createSymbolicLink(kitchen.path("link.raw"), secret());
    Path saved = Files.createDirectories(folder.resolve("saved" + i));
    Map<Path, Path> originals = new TreeMap<>();
    SortedMap<Path, Fields> fields = new TreeMap<>();
    Map<Path, long[]> fingerprints = new TreeMap<>();
    try (Stream<Path> all = Files.list(kitchen.folder())) {
      for (Path file : all.filter(f -> !Files.isSymbolicLink(f)).toList()) {
        Path copy = saved.resolve(String.valueOf(file.getFileName()));
        copy(file, copy);
        originals.put(file, copy);
        fingerprints.put(file, Sectors.of(file));
        if (file.toString().endsWith(".qcow2")) {
          try (Patcher patcher = Patcher.open(file)) {
            fields.put(file, Fields.of(patcher));
          }
        }
      }
    }
    disks.add(new Disk(kitchen.folder(), image, originals, fields, fingerprints));
  }

  /** Copies a file and leaves holes where it is zero. */
  static void copy(Path from, Path to) {
    ByteBuffer block = ByteBuffer.allocate(64 << 10);
    try (FileChannel in = FileChannel.open(from);
        FileChannel out =
            FileChannel.open(
                to,
                StandardOpenOption.CREATE,
                StandardOpenOption.WRITE,
                StandardOpenOption.TRUNCATE_EXISTING)) {
      long length = in.size();
      for (long at = 0; at < length; at += block.capacity()) {
        block.clear();
        while (block.hasRemaining() && in.read(block, at + block.position()) > 0) {}
        block.flip();
        if (!isZero(block)) {
          out.write(block, at);
        }
      }
      if (length > 0 && out.size() < length) {
        out.write(ByteBuffer.allocate(1), length - 1);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static boolean isZero(ByteBuffer bytes) {
    for (int i = 0; i < bytes.limit(); i++) {
      if (bytes.get(i) != 0) {
        return false;
      }
    }
    return true;
  }
}
