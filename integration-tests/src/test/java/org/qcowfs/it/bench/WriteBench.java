package org.qcowfs.it.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.function.BiFunction;
import java.util.function.DoubleSupplier;
import java.util.function.Supplier;
import java.util.function.ToDoubleFunction;
import org.qcowfs.it.support.LoopDevice;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.Run;

/** The part of the benchmark that writes. */
final class WriteBench {
  private static final String FORMAT = "qcow2";
  private static final int PART = BenchImages.DISK / 16;
  private static final int SCATTERED = 4000;

  private final BenchImages images;
  private final Path scratch;
  private final int rounds;
  private final Table table;

  WriteBench(BenchImages images, Path scratch, int rounds, Table table) {
    this.images = images;
    this.scratch = scratch;
    this.rounds = rounds;
    this.table = table;
  }

  void run() throws IOException {
    allocated();
    overlay("fresh overlay: ", "cluster_size=64k");
    overlay("fresh overlay, extended L2: ", "cluster_size=64k,extended_l2=on");
    discard();
    unpack();
    for (String clusterSize : new String[] {"4k", "64k", "2M"}) {
      amplification(clusterSize);
    }
  }

  /** Makes an image that is written to. */
  private interface Maker {
    void make(Path file) throws IOException;
  }

  private interface Measurement {
    void accept(Peer ours, Peer qemu) throws IOException;
  }

  private void pair(Maker maker, Measurement measurement) throws IOException {
    Path mine = scratch.resolve("ours.qcow2");
    Path theirs = scratch.resolve("theirs.qcow2");
    for (Path image : new Path[] {mine, theirs}) {
      Files.deleteIfExists(image);
      maker.make(image);
    }
    Run.ok("sync", "-f", mine.toString());
    try (Peer ours = Peer.qcowfs(mine, FORMAT, scratch, true);
        Peer qemu = Peer.qemu(theirs, FORMAT, scratch, true)) {
      measurement.accept(ours, qemu);
    }
    for (Path image : new Path[] {mine, theirs}) {
      QemuImg.run("check", "-q", image.toString());
      Files.delete(image);
    }
  }

  private void row(
      String name,
      String unit,
      boolean smallerIsBetter,
      Peer ours,
      Peer qemu,
      ToDoubleFunction<Peer> load) {
    table.add(
        new Rounds(name, unit, smallerIsBetter)
            .with(() -> load.applyAsDouble(ours))
            .with(() -> load.applyAsDouble(qemu))
            .measure(rounds));
  }

  /** Into clusters that the image has already. */
  private void allocated() throws IOException {
    pair(
        file -> Files.copy(images.qcow2(), file, StandardCopyOption.REPLACE_EXISTING),
        (ours, qemu) -> {
          for (Fio load :
              new Fio[] {
                Fio.randomWrite(1, true),
                Fio.randomWrite(4, true),
                Fio.randomWrite(1, false),
                Fio.randomWrite(1, false).with(", fsync at the end", "--end_fsync=1"),
                Fio.randomWrite(1, false).with(", O_DSYNC", "--sync=dsync", "--io_size=4M"),
                Fio.randomWrite(1, false).with(", fsync after each", "--fsync=1", "--io_size=4M"),
                Fio.sequentialWriteInto(0, BenchImages.DISK)
              }) {
            row(
                "allocated: " + load.name(),
                load.unit(),
                false,
                ours,
                qemu,
                peer -> load.run(peer.file(), true));
          }
        });
  }

  /** Into a new overlay over a full disk; each round takes a part of it that is still untouched. */
  private void overlay(String name, String options) throws IOException {
    Maker maker = overlayOf(options);
    fresh(name, maker, (offset, size) -> Fio.randomWriteInto(offset, size, 2000));
    fresh(name, maker, (offset, size) -> Fio.sequentialWriteInto(offset, size));
    fresh(
        name,
        maker,
        (offset, size) ->
            Fio.randomWriteInto(offset, size, 500).with(", fsync after each", "--fsync=1"));
  }

  private Maker overlayOf(String options) {
    String base = images.qcow2().toString();
    return file ->
        QemuImg.run(
            "create",
            "-q",
            "-f",
            "qcow2",
            "-F",
            "qcow2",
            "-b",
            base,
            "-o",
            options,
            file.toString());
  }

  private void fresh(String name, Maker maker, BiFunction<Long, Long, Fio> load)
      throws IOException {
    pair(
        maker,
        (ours, qemu) -> {
          Fio named = load.apply(0L, (long) PART);
          table.add(
              new Rounds(name + named.name(), named.unit(), false)
                  .with(nextPart(ours, load))
                  .with(nextPart(qemu, load))
                  .measure(Math.min(rounds, BenchImages.DISK / PART - 1)));
        });
  }

  private static DoubleSupplier nextPart(Peer peer, BiFunction<Long, Long, Fio> load) {
    long[] next = {0};
    return () -> {
      long offset = next[0];
      next[0] += PART;
      return load.apply(offset, (long) PART).run(peer.file(), true);
    };
  }

  /** All of a 4 GiB image of which every cluster has been written. */
  private void discard() throws IOException {
    table.add(
        new Rounds("discard of 4 GiB that were written", "s", true)
            .with(discardOf(true))
            .with(discardOf(false))
            .measure(rounds));
  }

  private DoubleSupplier discardOf(boolean ours) {
    return fresh(
        ours,
        file ->
            QemuImg.run(
                "create", "-q", "-f", "qcow2", "-o", "preallocation=full", file.toString(), "4G"),
        peer ->
            Bench.seconds(
                () -> {
                  String file = peer.file().toString();
                  Run.ok("fallocate", "--punch-hole", "--offset", "0", "--length", "4G", file);
                  Run.ok("sync", file);
                }));
  }

  /** Mounts a new image, measures once, unmounts. */
  private DoubleSupplier fresh(boolean ours, Maker maker, ToDoubleFunction<Peer> measurement) {
    Supplier<Path> made =
        () -> {
          Path image = scratch.resolve("fresh.qcow2");
          try {
            Files.deleteIfExists(image);
            maker.make(image);
          } catch (IOException e) {
            throw new AssertionError(e);
          }
          Run.ok("sync", "-f", image.toString());
          return image;
        };
    return () -> {
      Path image = made.get();
      double value;
      try (Peer peer =
          ours
              ? Peer.qcowfs(image, FORMAT, scratch, true)
              : Peer.qemu(image, FORMAT, scratch, true)) {
        value = measurement.applyAsDouble(peer);
      }
      QemuImg.run("check", "-q", image.toString());
      return value;
    };
  }

  /** A tree of files into a new ext4 on a loop device over the mount. */
  private void unpack() throws IOException {
    Path tree = images.tree();
    table.add(
        new Rounds("unpacking " + BenchImages.TREE_FILES + " files into ext4 on a loop", "s", true)
            .with(unpackOf(true, tree))
            .with(unpackOf(false, tree))
            .with(
                () -> {
                  Path raw = scratch.resolve("fresh.raw");
                  Run.ok("truncate", "-s", "2G", raw.toString());
                  double seconds = unpackInto(raw, tree);
                  Run.ok("rm", raw.toString());
                  return seconds;
                })
            .measure(rounds));
  }

  private DoubleSupplier unpackOf(boolean ours, Path tree) {
    return fresh(
        ours,
        file -> QemuImg.run("create", "-q", "-f", "qcow2", file.toString(), "2G"),
        peer -> unpackInto(peer.file(), tree));
  }

  /** Seconds until the tree is unpacked and durable. */
  private double unpackInto(Path disk, Path tree) {
    try (LoopDevice loop = LoopDevice.attach(disk)) {
      Run.ok("mkfs.ext4", "-q", "-E", "nodiscard", loop.device().toString());
      Path point = Files.createDirectories(scratch.resolve("inside"));
      Run.ok("mount", loop.device().toString(), point.toString());
      try {
        return Bench.seconds(
            () -> {
              Run.ok("tar", "-xf", tree.toString(), "-C", point.toString());
              Run.ok("sync", "-f", point.toString());
            });
      } finally {
        Run.ok("umount", point.toString());
      }
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /** Bytes given to write calls until the image is closed, for scattered writes. */
  private void amplification(String clusterSize) throws IOException {
    table.add(
        new Rounds(
                "bytes written for "
                    + SCATTERED
                    + " scattered 4 KiB writes into an overlay of "
                    + clusterSize
                    + " clusters",
                "MiB",
                true)
            .with(writtenBy(true, clusterSize))
            .with(writtenBy(false, clusterSize))
            .measure(1));
  }

  private DoubleSupplier writtenBy(boolean ours, String clusterSize) {
    return fresh(
        ours,
        overlayOf("cluster_size=" + clusterSize),
        peer -> {
          long before = peer.written();
          Fio.randomWriteInto(0, BenchImages.DISK, SCATTERED)
              .with("", "--end_fsync=1")
              .run(peer.file(), true);
          Run.ok("sync", peer.file().toString());
          return (peer.written() - before) / 1048576.0;
        });
  }
}
