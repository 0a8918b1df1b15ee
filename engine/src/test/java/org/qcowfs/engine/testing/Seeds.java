package org.qcowfs.engine.testing;

import java.util.Random;

/**
 * Where tests take their randomness from: one number, printed with every failure, that repeats the
 * run.
 *
 * <p>{@code -Dseed=N} runs exactly one case, that of seed N. Without it, cases {@code base}, {@code
 * base + 1}, ... run; {@code -Dseed.base=random} takes another base each time, the default is the
 * same base always, so that an ordinary build does not fail by chance.
 */
public final class Seeds {
  private static final long DEFAULT_BASE = 20_261_120_000L;

  private Seeds() {}

  /** A test of one seed. */
  @FunctionalInterface
  public interface Case {
    /** Fails by throwing. */
    void run(long seed) throws Exception;
  }

  /** A generator whose first numbers differ also between neighbouring seeds. */
  public static Random random(long seed) {
    return new Random(seed * 0x9E3779B97F4A7C15L);
  }

  /**
   * Runs a test for {@code count} seeds, or the one asked for.
   *
   * @param name what to call the test in a failure
   * @throws AssertionError naming the seed and how to repeat it
   */
  public static void forEach(String name, int count, Case test) {
    String one = System.getProperty("seed");
    long base = base();
    for (long i = 0; i < (one == null ? count : 1); i++) {
      run(name, one == null ? base + i : Long.parseLong(one), test);
    }
  }

  /** The first seed of a run. */
  public static long base() {
    String base = System.getProperty("seed.base");
    if (base == null) {
      return DEFAULT_BASE;
    }
    return base.equals("random") ? System.nanoTime() & 0xffff_ffffL : Long.parseLong(base);
  }

  /** Runs a test for one seed; a failure names it. */
  public static void run(String name, long seed, Case test) {
    try {
      test.run(seed);
    } catch (Exception | AssertionError e) {
      throw new AssertionError(
          name + " failed with seed " + seed + " (repeat with -Dseed=" + seed + "): " + e, e);
    }
  }
}
