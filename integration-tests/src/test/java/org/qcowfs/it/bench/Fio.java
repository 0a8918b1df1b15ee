package org.qcowfs.it.bench;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.qcowfs.it.support.Json;
import org.qcowfs.it.support.Json.JsonObject;
import org.qcowfs.it.support.Run;

/**
 * One kind of load, put on a file by {@code fio}.
 *
 * @param mode fio's {@code rw}
 * @param more further options
 */
record Fio(String name, String mode, String block, int jobs, boolean direct, List<String> more) {
  /** Sequential reads of 1 MiB: the result is MiB/s. */
  static Fio sequential(boolean direct) {
    return new Fio(
        "sequential 1 MiB" + cache(direct), "read", "1M", 1, direct, amount("1M", 1, direct));
  }

  /** Random reads of 4 KiB: the result is reads per second. */
  static Fio random(int jobs, boolean direct) {
    return new Fio(
        "random 4 KiB" + who(jobs) + cache(direct),
        "randread",
        "4k",
        jobs,
        direct,
        amount("4k", jobs, direct));
  }

  /** Random writes of 4 KiB: the result is writes per second. */
  static Fio randomWrite(int jobs, boolean direct) {
    return new Fio(
        "random 4 KiB writes" + who(jobs) + cache(direct),
        "randwrite",
        "4k",
        jobs,
        direct,
        amount("4k", jobs, direct));
  }

  /** Random writes of 4 KiB to a part of the file that nothing has written before. */
  static Fio randomWriteInto(long offset, long size, int writes) {
    return new Fio(
        "random 4 KiB writes, 1 job, O_DIRECT",
        "randwrite",
        "4k",
        1,
        true,
        List.of("--offset=" + offset, "--size=" + size, "--number_ios=" + writes));
  }

  /** Sequential writes of 1 MiB, with one fsync at the end, to a part of the file. */
  static Fio sequentialWriteInto(long offset, long size) {
    return new Fio(
        "sequential 1 MiB writes, fsync at the end",
        "write",
        "1M",
        1,
        false,
        List.of("--offset=" + offset, "--size=" + size, "--end_fsync=1"));
  }

  /** This load with further options of fio and a name that says so. */
  Fio with(String name, String... options) {
    List<String> all = new ArrayList<>(more);
    all.addAll(List.of(options));
    return new Fio(this.name + name, mode, block, jobs, direct, all);
  }

  /** As buffered as the ceiling: the same without O_DIRECT. */
  Fio buffered() {
    return new Fio(name, mode, block, jobs, false, amount(block, jobs, false));
  }

  private static List<String> amount(String block, int jobs, boolean direct) {
    if (direct) {
      return List.of("--time_based", "--runtime=" + Bench.SECONDS);
    }
    if (block.equals("1M")) {
      return List.of();
    }
    // Each byte once: what one job has read, another would find in the page cache.
    int share = BenchImages.DISK / jobs;
    return List.of(
        "--size=" + share, "--offset_increment=" + share, "--io_size=" + (64 << 20) / jobs);
  }

  private static String who(int jobs) {
    return jobs == 1 ? ", 1 job" : ", " + jobs + " jobs";
  }

  private static String cache(boolean direct) {
    return direct ? ", O_DIRECT" : ", buffered";
  }

  private boolean reads() {
    return mode.endsWith("read");
  }

  String unit() {
    return block.equals("1M") ? "MiB/s" : reads() ? "reads/s" : "writes/s";
  }

  /**
   * Runs the load.
   *
   * @param dropCache whether the file's cached pages are dropped first: for a mounted file these
   *     are the kernel's copies of what the driver answered, and reading those measures no driver
   * @return MiB/s or reads per second
   */
  double run(Path file, boolean dropCache) {
    List<String> command =
        new ArrayList<>(
            List.of(
                "fio",
                "--name=bench",
                "--filename=" + file,
                "--rw=" + mode,
                "--bs=" + block,
                "--ioengine=psync",
                "--direct=" + (direct ? 1 : 0),
                "--invalidate=" + (dropCache ? 1 : 0),
                "--numjobs=" + jobs,
                "--thread",
                "--group_reporting",
                "--randseed=" + 1,
                "--allow_file_create=0",
                "--fallocate=none",
                "--overwrite=1",
                "--output-format=json"));
    if (reads()) {
      command.add("--readonly");
    }
    if (!reads() && more.stream().noneMatch(option -> option.startsWith("--size="))) {
      command.add("--size=" + BenchImages.DISK); // fio asks the file for it only to read
    }
    command.addAll(more);
    Run.Result result = Run.run(Run.PATIENCE, command);
    if (result.exitCode() != 0) {
      // Not orFail(): the report is a few hundred lines, and what went wrong is in two of them.
      String told = result.out().lines().filter(l -> l.startsWith("fio:")).toList().toString();
      throw new AssertionError(String.join(" ", command) + "\n" + result.err() + told);
    }
    try {
      JsonObject report =
          (JsonObject) Json.parse(result.out().substring(result.out().indexOf('{')));
      if (report == null
          || !(report.fields().get("jobs") instanceof List<?> all)
          || !(all.get(0) instanceof JsonObject job)
          || !(job.fields().get(reads() ? "read" : "write") instanceof JsonObject figures)) {
        throw new AssertionError("not fio's report: " + result.out());
      }
      return block.equals("1M")
          ? figures.number("bw_bytes") / 1048576.0
          : ((Number) Objects.requireNonNull(figures.fields().get("iops"))).doubleValue();
    } catch (IOException e) {
      throw new AssertionError("not fio's report: " + result.out(), e);
    }
  }
}
