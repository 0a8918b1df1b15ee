package org.qcowfs.engine.proof;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.qcowfs.engine.testing.MemoryContent;
import org.qcowfs.engine.testing.MemoryHostFiles;
import org.qcowfs.engine.testing.Seeds;

/** Images of one shape, made by {@code qemu-img} and {@code qemu-io} in a folder of their own. */
final class Template {
  /** The image's name in its folder. */
  static final String IMAGE = "disk.qcow2";

  private final Path folder;
  private final Shape shape;
  private final byte[] content;
  private final Map<String, byte[]> snapshots;

  private Template(Path folder, Shape shape, byte[] content, Map<String, byte[]> snapshots) {
    this.folder = folder;
    this.shape = shape;
    this.content = content;
    this.snapshots = snapshots;
  }

  Shape shape() {
    return shape;
  }

  /** What the disk holds. */
  byte[] content() {
    return content;
  }

  /** What the disk held at each snapshot, by name. */
  Map<String, byte[]> snapshots() {
    return snapshots;
  }

  /** Makes the image and what it stands on in {@code folder}, which must be empty. */
  static Template make(Path folder, Shape shape, long seed) throws IOException {
    Random random = Seeds.random(seed);
    Path image = folder.resolve(IMAGE);
    List<String> create = new ArrayList<>(List.of("qemu-img", "create", "-q", "-f", "qcow2"));
    create.add("-o");
    create.add(String.join(",", shape.options(folder.resolve("data.raw").toString())));
    String backing = makeBacking(folder, shape, random);
    if (backing != null) {
      create.addAll(List.of("-b", backing, "-F", backing.endsWith(".raw") ? "raw" : "qcow2"));
    }
    create.addAll(List.of(image.toString(), Integer.toString(shape.size())));
    Tool.run(create).ok();
    Map<String, byte[]> snapshots = new TreeMap<>();
    if (shape.content()) {
      fill(image, shape, random, 6, true);
    }
    for (int i = 1; i <= shape.snapshots(); i++) {
      String name = "snap" + i;
      Tool.run("qemu-img", "snapshot", "-c", name, image.toString()).ok();
      fill(image, shape, random, 2, false);
      snapshots.put(name, raw(folder, image, "-l", "snapshot.name=" + name));
    }
    return new Template(folder, shape, raw(folder, image), snapshots);
  }

  private static byte[] raw(Path folder, Path image, String... options) throws IOException {
    Path raw = folder.resolve("template.raw");
    List<String> line = new ArrayList<>(List.of("qemu-img", "convert", "-f", "qcow2", "-O", "raw"));
    line.addAll(Arrays.asList(options));
    line.addAll(List.of(image.toString(), raw.toString()));
    Tool.run(line).ok();
    byte[] bytes = Files.readAllBytes(raw);
    Files.delete(raw);
    return bytes;
  }

  private static @org.jspecify.annotations.Nullable String makeBacking(
      Path folder, Shape shape, Random random) throws IOException {
    int size = shape.size();
    switch (shape.backing()) {
      case NONE:
        return null;
      case RAW:
        byte[] bytes = new byte[size];
        random.nextBytes(bytes);
        Arrays.fill(bytes, size / 4, size / 2, (byte) 0);
        Files.write(folder.resolve("base.raw"), bytes);
        return folder.resolve("base.raw").toString();
      case QCOW2:
        return layer(folder, "base", null, size, random);
      case SHORTER:
        return layer(folder, "base", null, Math.max(512, size / 3 >> 9 << 9), random);
      case LONGER:
        return layer(folder, "base", null, size + 3 * 512 + (1 << 16), random);
      case FOUR_DEEP:
        String below = null;
        for (int i = 4; i > 0; i--) {
          below = layer(folder, "base" + i, below, size, random);
        }
        return below;
    }
    throw new AssertionError(shape);
  }

  private static String layer(
      Path folder,
      String name,
      @org.jspecify.annotations.Nullable String below,
      int size,
      Random random) {
    Path image = folder.resolve(name + ".qcow2");
    List<String> line = new ArrayList<>(List.of("qemu-img", "create", "-q", "-f", "qcow2"));
    int bits = 12 + random.nextInt(5);
    line.addAll(List.of("-o", "cluster_size=" + (1 << bits)));
    if (below != null) {
      line.addAll(List.of("-b", below, "-F", "qcow2"));
    }
    line.addAll(List.of(image.toString(), Integer.toString(size)));
    Tool.run(line).ok();
    fill(image, Shape.plain(bits, size), random, 5, true);
    return image.toString();
  }

  /** Writes patterns over stretches of the disk, some as zero clusters, some compressed. */
  private static void fill(Path image, Shape shape, Random random, int stretches, boolean fresh) {
    List<String> commands = new ArrayList<>();
    int cluster = shape.clusterSize();
    for (int i = 0; i < stretches; i++) {
      int at = random.nextInt(shape.size()) >> 9 << 9;
      int length = 512 + random.nextInt(Math.max(512, shape.size() / 8)) >> 9 << 9;
      length = Math.min(length, shape.size() - at);
      int pattern = 1 + random.nextInt(255);
      // Compressed clusters only where nothing is yet: elsewhere the write fails, and QEMU 7.2 then
      // packs the next one into a cluster that it gives to others too.
      boolean compressed = i == 0 && fresh && shape.compressed();
      int how = random.nextInt(4);
      if (how == 0 && shape.version() == 3 && !compressed) {
        commands.add("write -z " + at + " " + length);
      } else if (compressed && shape.size() >= cluster) {
        int start = Math.min(at, shape.size() - cluster) / cluster * cluster;
        int whole = Math.max(cluster, Math.min(length, shape.size() - start) / cluster * cluster);
        commands.add("write -c -P " + pattern + " " + start + " " + whole);
      } else {
        commands.add("write -P " + pattern + " " + at + " " + length);
      }
    }
    Tool.io(image, commands);
  }

  /** The paths of all files of the template. */
  private List<Path> paths() throws IOException {
    try (Stream<Path> list = Files.list(folder)) {
      return list.sorted().toList();
    }
  }

  /** The image's path: also its name among {@link #inMemory()}'s files. */
  String path() {
    return folder.resolve(IMAGE).toString();
  }

  /** A copy of all files in memory, under their own paths. */
  MemoryHostFiles inMemory() throws IOException {
    MemoryHostFiles files = new MemoryHostFiles();
    for (Path path : paths()) {
      files.load(path);
    }
    return files;
  }

  /** All files' bytes, to restore them from. */
  Map<Path, MemoryContent> saved() throws IOException {
    Map<Path, MemoryContent> saved = new TreeMap<>();
    for (Path path : paths()) {
      saved.put(path, MemoryContent.of(path));
    }
    return saved;
  }
}
