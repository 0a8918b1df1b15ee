package org.qcowfs.it.fuzz;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.qcowfs.it.support.TempImages;

/**
 * {@code integration-tests/fuzz}: damages images until the time is up.
 *
 * <p>Arguments: seconds, the first seed, how many images at most (0: no limit). The same seed
 * damages the same image the same way.
 */
public final class FuzzRun {
  /** Every so many images, one is mounted. */
  private static final int MOUNT_EVERY = 12;

  /** Every so many images, QEMU checks what came of it. */
  private static final int JUDGE_EVERY = 7;

  private static final int HEALTHY = 12;

  /** Heap (96), buffers off it (96 at most), and what the JVM itself takes. */
  private static final long MOST_MEGABYTES = 512;

  private static final long LIMIT_NANOS = 60_000_000_000L;

  /** What runs now. */
  private record Watched(long seed, FuzzCase one, Verdict verdict, Thread worker) {}

  private static volatile @Nullable Watched watched;

  private FuzzRun() {}

  /** Exit code 1 if anything was found. */
  public static void main(String[] args) throws IOException {
    long first = Long.parseLong(args[1]);
    long count = Long.parseLong(args[2]);
    Path memory = Path.of("/dev/shm");
    Path folder =
        Files.isWritable(memory)
            ? Files.createTempDirectory(memory, "qcowfs-fuzz")
            : Files.createTempDirectory("qcowfs-fuzz");
    long failed = 0;
    long seed = first;
    Thread watchdog = new Thread(FuzzRun::watch, "watchdog");
    watchdog.setDaemon(true);
    watchdog.start();
    try {
      Disks disks = Disks.make(folder, HEALTHY);
      long end = System.nanoTime() + Long.parseLong(args[0]) * 1_000_000_000L;
      for (; System.nanoTime() < end && (count == 0 || seed < first + count); seed++) {
        failed += run(disks, seed, seed % MOUNT_EVERY == 0);
        if ((seed - first + 1) % 5000 == 0) {
          System.out.println(
              (seed - first + 1)
                  + " images, "
                  + failed
                  + " failed, "
                  + megabytes()
                  + " MiB at most");
        }
      }
    } finally {
      TempImages.deleteTree(folder);
    }
    if (megabytes() > MOST_MEGABYTES) {
      failed++;
      System.out.println("the process took more memory than " + MOST_MEGABYTES + " MiB");
    }
    System.out.println(
        (seed - first)
            + " damaged images from seed "
            + first
            + ", "
            + failed
            + " failed, "
            + megabytes()
            + " MiB at most");
    System.exit(failed > 0 || seed == first ? 1 : 0);
  }

  /** Runs one case; returns 1 if it failed. */
  private static int run(Disks disks, long seed, boolean mounted) {
    Verdict verdict = new Verdict();
    FuzzCase one = new FuzzCase(disks, seed, verdict, mounted, seed % JUDGE_EVERY == 0);
    watched = new Watched(seed, one, verdict, Thread.currentThread());
    try {
      one.run();
    } catch (IOException | RuntimeException e) {
      verdict.fault("the fuzzer itself: " + e + " " + Arrays.asList(e.getStackTrace()));
    }
    watched = null;
    if (verdict.faults().isEmpty()) {
      return 0;
    }
    tell(seed, one, verdict.faults());
    return 1;
  }

  private static void tell(long seed, FuzzCase one, List<String> faults) {
    System.out.println("seed " + seed + " " + one.story().replaceAll("\\p{C}", "?"));
    faults.stream().limit(5).forEach(fault -> System.out.println("   " + fault));
    System.out.println("   repeat with: integration-tests/fuzz --seed " + seed + " --images 1");
  }

  /** Ends the process when a step takes too long: nothing can stop a thread. */
  private static void watch() {
    while (true) {
      Watched now = watched;
      if (now != null && System.nanoTime() - now.verdict.since() > LIMIT_NANOS) {
        String where = Arrays.asList(now.worker.getStackTrace()).toString();
        tell(now.seed, now.one, List.of(now.verdict.step() + ": no end, at " + where));
        Runtime.getRuntime().halt(1);
      }
      LockSupport.parkNanos(100_000_000);
    }
  }

  /** The most memory the process has had, off the heap included. */
  private static long megabytes() throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      if (line.startsWith("VmHWM:")) {
        return Long.parseLong(line.replaceAll("[^0-9]", "")) / 1024;
      }
    }
    throw new IOException("the kernel does not say how much memory there was");
  }
}
