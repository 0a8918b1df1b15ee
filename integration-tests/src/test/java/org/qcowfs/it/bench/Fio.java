package org.qcowfs.it.bench;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.qcowfs.it.support.Json;
import org.qcowfs.it.support.Json.JsonObject;
import org.qcowfs.it.support.Run;

/** One kind of load, put on a file by {@code fio}. */
record Fio(String name, String mode, String block, int jobs, boolean direct) {
  /** Sequential reads of 1 MiB: the result is MiB/s. */
  static Fio sequential(boolean direct) {
    return new Fio("sequential 1 MiB" + cache(direct), "read", "1M", 1, direct);
  }

  /** Random reads of 4 KiB: the result is reads per second. */
  static Fio random(int jobs, boolean direct) {
    String who = jobs == 1 ? ", 1 job" : ", " + jobs + " jobs";
    return new Fio("random 4 KiB" + who + cache(direct), "randread", "4k", jobs, direct);
  }

  private static String cache(boolean direct) {
    return direct ? ", O_DIRECT" : ", buffered";
  }

  String unit() {
    return mode.equals("read") ? "MiB/s" : "reads/s";
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
                "--readonly",
                "--rw=" + mode,
                "--bs=" + block,
                "--ioengine=psync",
                "--direct=" + (direct ? 1 : 0),
                "--invalidate=" + (dropCache ? 1 : 0),
                "--numjobs=" + jobs,
                "--thread",
                "--group_reporting",
                "--randseed=" + 1,
                "--output-format=json"));
    if (direct) {
      command.add("--time_based");
      command.add("--runtime=" + Bench.SECONDS);
    } else if (jobs > 1) {
      // Each byte once: what one job has read, another would find in the page cache.
      command.add("--size=" + 100 / jobs + "%");
      command.add("--offset_increment=" + 100 / jobs + "%");
      command.add("--io_size=" + (64 << 20) / jobs);
    } else if (mode.equals("randread")) {
      command.add("--io_size=" + (64 << 20));
    }
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
          || !(job.fields().get("read") instanceof JsonObject read)) {
        throw new AssertionError("not fio's report: " + result.out());
      }
      return mode.equals("read")
          ? read.number("bw_bytes") / 1048576.0
          : ((Number) Objects.requireNonNull(read.fields().get("iops"))).doubleValue();
    } catch (IOException e) {
      throw new AssertionError("not fio's report: " + result.out(), e);
    }
  }
}
