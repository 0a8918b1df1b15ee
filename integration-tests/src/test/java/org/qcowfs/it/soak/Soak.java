package org.qcowfs.it.soak;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.LocalTime;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/** All loads side by side, round after round, for some minutes; see {@code soak}. */
public final class Soak {
  /** Rounds before the first figures: by then everything has been done once. */
  private static final int WARM_UP = 4;

  private Soak() {}

  /** Arguments: minutes, seed. */
  public static void main(String[] arguments) throws Exception {
    long minutes = Long.parseLong(arguments[0]);
    long seed = Long.parseLong(arguments[1]);
    System.out.println("seed " + seed + ", " + minutes + " minutes");
    TempImages temp = TempImages.create("soak");
    boolean clean = false;
    try {
      clean = run(temp.folder(), Duration.ofMinutes(minutes), seed);
    } catch (Throwable e) {
      e.printStackTrace(System.out);
      unmountAll(temp.folder());
      System.out.println("left for a look: " + temp.folder());
    }
    if (clean) {
      temp.close();
    }
    System.out.println(clean ? "clean" : "NOT CLEAN");
    System.exit(clean ? 0 : 1);
  }

  private static void unmountAll(Path folder) throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/self/mounts"))) {
      String point = line.split(" ")[1];
      if (point.startsWith(folder + "/")) {
        Run.run(Run.PATIENCE, List.of("umount", "-l", point));
      }
    }
  }

  private static boolean run(Path folder, Duration length, long seed) throws Exception {
    List<Load> loads = new ArrayList<>();
    loads.add(MixedLoad.intoImage(folder, seed));
    loads.add(MixedLoad.intoOverlay(folder, seed + 1_000_000));
    loads.add(new KilledLoad(folder, seed));
    loads.add(new FullHostLoad(folder));
    Map<Long, Figures> first = new LinkedHashMap<>();
    Map<Long, Figures> last = new LinkedHashMap<>();
    long end = System.nanoTime() + length.toNanos();
    long nextReport = 0;
    for (int number = 1; number <= WARM_UP || System.nanoTime() < end; number++) {
      round(loads, number);
      if (number == WARM_UP) {
        first.putAll(figures(loads));
        report(loads, first, number);
      } else if (number > WARM_UP && System.nanoTime() > nextReport) {
        last.putAll(figures(loads));
        report(loads, last, number);
        nextReport = System.nanoTime() + Duration.ofMinutes(5).toNanos();
      }
    }
    last.putAll(figures(loads));
    report(loads, last, -1);
    for (Load load : loads) {
      load.close();
    }
    boolean clean = true;
    for (Map.Entry<Long, Figures> process : first.entrySet()) {
      for (String leak :
          process.getValue().leaks(Objects.requireNonNull(last.get(process.getKey())))) {
        System.out.println("process " + process.getKey() + " leaks " + leak);
        clean = false;
      }
    }
    return clean;
  }

  private static void round(List<Load> loads, int number)
      throws InterruptedException, ExecutionException {
    ExecutorService threads = Executors.newFixedThreadPool(loads.size());
    try {
      List<Callable<Void>> tasks = new ArrayList<>();
      for (Load load : loads) {
        tasks.add(
            () -> {
              load.round(number);
              return null;
            });
      }
      for (Future<Void> done : threads.invokeAll(tasks)) {
        done.get();
      }
    } finally {
      threads.shutdown();
    }
  }

  private static Map<Long, Figures> figures(List<Load> loads) throws IOException {
    Map<Long, Figures> figures = new LinkedHashMap<>();
    for (Load load : loads) {
      for (long pid : load.processes()) {
        figures.put(pid, Figures.of(pid));
      }
    }
    return figures;
  }

  private static void report(List<Load> loads, Map<Long, Figures> figures, int number) {
    String when =
        LocalTime.now(java.time.ZoneOffset.UTC).truncatedTo(ChronoUnit.SECONDS).toString();
    System.out.println(when + (number < 0 ? " at the end" : " after round " + number));
    loads.forEach(load -> System.out.println("  " + load.done()));
    figures.forEach(
        (pid, held) -> System.out.println("  process " + pid + name(pid) + ": " + held));
  }

  /** The mount point a process serves, from its own command line. */
  private static String name(long pid) {
    try {
      String[] words = Files.readString(Path.of("/proc/" + pid + "/cmdline")).split("\0");
      return " (" + Path.of(words[words.length - 1]).getFileName() + ")";
    } catch (IOException e) {
      return "";
    }
  }
}
