package org.qcowfs.engine.qcow2.check;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Small healthy images of every feature. */
final class CheckSeeds {
  private final Path folder;
  private final List<Path> images = new ArrayList<>();

  private CheckSeeds(Path folder) {
    this.folder = folder;
  }

  static List<Path> make(Path folder) throws IOException {
    CheckSeeds seeds = new CheckSeeds(folder);
    seeds.plain("plain", "cluster_size=4k");
    seeds.plain("v2", "cluster_size=4k,compat=0.10");
    seeds.plain("tiny", "cluster_size=512");
    seeds.plain("bits64", "cluster_size=4k,refcount_bits=64");
    seeds.plain("bits8", "cluster_size=4k,refcount_bits=8");
    seeds.plain("bits2", "cluster_size=4k,refcount_bits=2");
    seeds.plain("lazy", "cluster_size=4k,lazy_refcounts=on");
    seeds.plain("xl2", "cluster_size=16k,extended_l2=on");
    seeds.external();
    seeds.compressed("zlib", "cluster_size=4k");
    seeds.compressed("zstd", "cluster_size=4k,compression_type=zstd");
    seeds.compressed("xl2z", "cluster_size=16k,extended_l2=on");
    seeds.bits1();
    seeds.bitmaps();
    return seeds.images;
  }

  private Path add(String name) {
    Path image = folder.resolve(name + ".qcow2");
    images.add(image);
    return image;
  }

  static void run(String... command) {
    try {
      Process process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectInput(new File("/dev/null"))
              .start();
      String out = new String(process.getInputStream().readAllBytes());
      if (process.waitFor() != 0) {
        throw new AssertionError(String.join(" ", command) + ": " + out);
      }
    } catch (IOException e) {
      throw new AssertionError("cannot run " + command[0] + ": is qemu-utils installed?", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError(e);
    }
  }

  private static void io(Path image, String... commands) {
    List<String> line = new ArrayList<>(List.of("qemu-io", "-f", "qcow2"));
    for (String command : commands) {
      line.add("-c");
      line.add(command);
    }
    line.add(image.toString());
    run(line.toArray(String[]::new));
  }

  private void create(Path image, String options, String size) {
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", options, image.toString(), size);
  }

  private void plain(String name, String options) {
    Path image = add(name);
    create(image, options, "5M");
    io(
        image,
        "write -q -P 1 0 60k",
        "write -q -P 2 1M 36k",
        "write -q -z 2M 16k",
        "write -q -P 3 3M 8k");
    run("qemu-img", "snapshot", "-c", "first", image.toString());
    io(image, "write -q -P 4 8k 16k", "write -q -P 5 4M 8k", "write -q -z -u 0 4k");
    run("qemu-img", "snapshot", "-c", "second", image.toString());
    io(image, "write -q -P 6 0 4k", "discard -q 1M 16k");
  }

  private void external() {
    Path image = add("external");
    Path data = folder.resolve("data.raw");
    create(image, "cluster_size=4k,data_file=" + data, "2M");
    io(image, "write -q -P 1 0 60k", "write -q -z 1M 8k");
  }

  private void compressed(String name, String options) throws IOException {
    Path raw = folder.resolve("pattern.raw");
    byte[] bytes = new byte[400_000];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = (byte) (i / 7 % 26 + 65);
    }
    Files.write(raw, bytes);
    Path image = add(name);
    run(
        "qemu-img",
        "convert",
        "-q",
        "-c",
        "-f",
        "raw",
        "-O",
        "qcow2",
        "-o",
        options,
        raw.toString(),
        image.toString());
    run("qemu-img", "snapshot", "-c", "first", image.toString());
    io(image, "write -q -P 9 0 20k");
  }

  private void bits1() {
    Path image = add("bits1");
    create(image, "cluster_size=4k,refcount_bits=1", "3M");
    io(image, "write -q -P 1 0 60k", "write -q -P 2 2M 60k");
  }

  private void bitmaps() {
    Path image = add("bitmaps");
    create(image, "cluster_size=4k", "3M");
    io(image, "write -q -P 1 0 60k");
    run("qemu-img", "bitmap", "--add", "-g", "512", image.toString(), "one");
    run("qemu-img", "bitmap", "--add", image.toString(), "two");
    io(image, "write -q -P 2 1M 60k");
  }
}
