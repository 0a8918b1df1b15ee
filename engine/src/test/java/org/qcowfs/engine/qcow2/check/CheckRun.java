package org.qcowfs.engine.qcow2.check;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * {@code integration-tests/checkfuzz}: many damaged images are checked, repaired, and repaired with
 * a crash at every moment.
 *
 * <p>Arguments: how many, minutes at most, the first seed.
 */
public final class CheckRun {
  private CheckRun() {}

  /** Runs; exit code 1 if any image was judged wrongly or time ran out. */
  public static void main(String[] args) throws IOException {
    long count = Long.parseLong(args[0]);
    long deadline = System.nanoTime() + Long.parseLong(args[1]) * 60_000_000_000L;
    long first = args.length > 2 ? Long.parseLong(args[2]) : 1;
    Path folder = Files.createTempDirectory("qcowfs-checkfuzz");
    long wrong = 0;
    long seed = first;
    RepairProof proof = new RepairProof(folder);
    try {
      for (; seed < first + count && System.nanoTime() < deadline; seed++) {
        for (String fault : faults(proof, seed)) {
          wrong++;
          System.out.println(fault);
        }
        if ((seed - first + 1) % 1000 == 0) {
          System.out.println((seed - first + 1) + ": " + proof.tally);
        }
      }
    } finally {
      delete(folder);
    }
    System.out.println(
        (seed - first) + " damaged images, " + wrong + " judged wrongly; repairs: " + proof.tally);
    System.exit(wrong > 0 || seed < first + count ? 1 : 0);
  }

  private static List<String> faults(RepairProof proof, long seed) throws IOException {
    List<String> faults = new ArrayList<>();
    try {
      add(faults, proof.check(seed));
      add(faults, proof.repair(seed));
      add(faults, proof.crash(seed));
    } catch (RuntimeException e) {
      faults.add("seed " + seed + ": " + e + " at " + List.of(e.getStackTrace()));
    }
    return faults;
  }

  private static void add(List<String> faults, @Nullable String fault) {
    if (fault != null) {
      faults.add(fault);
    }
  }

  private static void delete(Path folder) throws IOException {
    List<Path> files;
    try (Stream<Path> walk = Files.walk(folder)) {
      files = walk.sorted(Comparator.reverseOrder()).toList();
    }
    for (Path file : files) {
      Files.delete(file);
    }
  }
}
