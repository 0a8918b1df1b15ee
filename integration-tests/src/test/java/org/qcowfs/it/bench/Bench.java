package org.qcowfs.it.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.function.BiConsumer;
import java.util.function.DoubleSupplier;
import java.util.function.Supplier;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.HoleMap;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/** Measures everything and prints the tables of BENCHMARKS.md; see {@code bench/run}. */
public final class Bench {
  /** Seconds of one O_DIRECT measurement. */
  static final int SECONDS = Integer.getInteger("bench.seconds", 2);

  private static final int ROUNDS = Integer.getInteger("bench.rounds", 5);
  private static final String FORMAT = "qcow2";

  private final BenchImages images;
  private final Path scratch;
  private final Table table = new Table("QEMU");

  private Bench(BenchImages images, Path scratch) {
    this.images = images;
    this.scratch = scratch;
  }

  /**
   * Runs the benchmark.
   *
   * @param arguments the folder for images; {@code reads}, {@code writes}, {@code slow} or {@code
   *     driver}; for the last the built C pass-through example
   */
  public static void main(String[] arguments) throws IOException {
    Requires.root();
    Requires.fuse();
    Requires.tools("qemu-img", "qemu-io", "qemu-storage-daemon", "fio");
    long start = System.nanoTime();
    Path folder = Files.createDirectories(Path.of(arguments[0]));
    System.err.println("preparing images in " + folder);
    CliRun.launcher("--version").orFail();
    try (TempImages scratch = TempImages.create("bench")) {
      Bench bench = new Bench(new BenchImages(folder), scratch.folder());
      System.out.println(machine());
      switch (arguments[1]) {
        case "reads" -> {
          bench.reads();
          bench.walk();
          bench.chains();
          bench.compressed();
          bench.startUp();
          System.out.println(bench.table);
        }
        case "writes" -> {
          new WriteBench(bench.images, bench.scratch, ROUNDS, bench.table).run();
          System.out.println(bench.table);
        }
        case "slow" -> {
          new SlowBench(bench.scratch, ROUNDS, bench.table).run();
          System.out.println(bench.table);
        }
        case "driver" -> System.out.println(bench.passthrough(Path.of(arguments[2])));
        default -> throw new IllegalArgumentException(arguments[1]);
      }
    }
    System.out.println("Took " + (System.nanoTime() - start) / 1_000_000_000 + " s.");
  }

  /** Mounts {@code image} through both programs and measures both. */
  private void pair(Path image, BiConsumer<Path, Path> measurement) {
    try (Peer ours = Peer.qcowfs(image, FORMAT, scratch);
        Peer qemu = Peer.qemu(image, FORMAT, scratch)) {
      measurement.accept(ours.file(), qemu.file());
    }
  }

  private void reads() {
    Path raw = images.raw();
    // Into the page cache: the disk is not what is measured.
    Run.ok("sh", "-c", "cat \"$@\" >/dev/null", "sh", raw.toString(), images.qcow2().toString());
    pair(
        images.qcow2(),
        (ours, qemu) -> {
          for (boolean direct : new boolean[] {false, true}) {
            for (Fio load :
                new Fio[] {Fio.sequential(direct), Fio.random(1, direct), Fio.random(4, direct)}) {
              // The raw file is the ceiling: always buffered, always from the page cache.
              Fio ceiling = load.buffered();
              table.add(
                  new Rounds(load.name(), load.unit(), false)
                      .with(() -> load.run(ours, true))
                      .with(() -> load.run(qemu, true))
                      .with(() -> ceiling.run(raw, false))
                      .measure(ROUNDS));
            }
          }
        });
  }

  private void walk() {
    Path raw = images.extentsRaw();
    pair(
        images.extents(),
        (ours, qemu) ->
            table.add(
                new Rounds("SEEK_DATA/SEEK_HOLE over 100,000 extents", "s", true)
                    .with(() -> seconds(() -> walk(ours)))
                    .with(() -> seconds(() -> walk(qemu)))
                    .with(() -> seconds(() -> walk(raw)))
                    .measure(ROUNDS)));
  }

  private static void walk(Path file) {
    int found = HoleMap.ofFile(file).data().size();
    if (found != BenchImages.EXTENTS) {
      throw new AssertionError(file + " has " + found + " extents");
    }
  }

  private void chains() {
    for (int depth : new int[] {1, 16, 64}) {
      Path top = images.chain(depth);
      pair(
          top,
          (ours, qemu) -> {
            Fio load = Fio.random(1, true);
            table.add(
                new Rounds("chain of " + depth + ": " + load.name(), load.unit(), false)
                    .with(() -> load.run(ours, true))
                    .with(() -> load.run(qemu, true))
                    .measure(ROUNDS));
          });
    }
  }

  private void compressed() {
    for (String type : new String[] {"zlib", "zstd"}) {
      pair(
          images.compressed(type),
          (ours, qemu) -> {
            Fio load = Fio.sequential(false);
            table.add(
                new Rounds("compressed " + type + ": " + load.name(), load.unit(), false)
                    .with(() -> load.run(ours, true))
                    .with(() -> load.run(qemu, true))
                    .measure(ROUNDS));
          });
    }
  }

  /** From the start of the command to a mount that answers {@code stat}. */
  private void startUp() {
    Path image = images.qcow2();
    table.add(
        new Rounds("start to a mount that answers", "s", true)
            .with(startOf(() -> Peer.qcowfs(image, FORMAT, scratch)))
            .with(startOf(() -> Peer.qemu(image, FORMAT, scratch)))
            .measure(ROUNDS));
  }

  private static DoubleSupplier startOf(Supplier<Peer> start) {
    return () -> {
      Peer[] peer = new Peer[1];
      double seconds =
          seconds(
              () -> {
                peer[0] = start.get();
                if (peer[0].file().toFile().length() != BenchImages.DISK) {
                  throw new AssertionError("the mount does not answer");
                }
              });
      peer[0].close();
      return seconds;
    };
  }

  static double seconds(Runnable work) {
    long start = System.nanoTime();
    work.run();
    return (System.nanoTime() - start) / 1e9;
  }

  /** The driver alone: a raw image, against a pass-through file system in C. */
  private Table passthrough(Path program) {
    Table result = new Table("C pass-through");
    Path raw = images.raw();
    try (Peer ours = Peer.qcowfs(raw, "raw", scratch);
        Peer example = Peer.passthrough(program, raw, scratch)) {
      for (Fio load :
          new Fio[] {
            Fio.sequential(false),
            Fio.sequential(true),
            Fio.random(1, false),
            Fio.random(1, true),
            Fio.random(4, true)
          }) {
        result.add(
            new Rounds("raw image: " + load.name(), load.unit(), false)
                .with(() -> load.run(ours.file(), true))
                .with(() -> load.run(example.file(), true))
                .measure(ROUNDS));
      }
    }
    return result;
  }

  private static String machine() {
    String cpu =
        Run.ok("sh", "-c", "grep -m1 'model name' /proc/cpuinfo | cut -d: -f2").out().strip();
    return String.format(
        "%s, %d cores of %s, Linux %s, %s, %d rounds, %s",
        LocalDate.now(),
        Runtime.getRuntime().availableProcessors(),
        cpu,
        Run.ok("uname", "-r").out().strip(),
        Run.ok("qemu-storage-daemon", "--version").out().lines().findFirst().orElse(""),
        ROUNDS,
        "median (smallest..largest) of the ratios; above 1 qcowfs is faster\n");
  }
}
