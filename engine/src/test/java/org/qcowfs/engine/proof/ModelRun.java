package org.qcowfs.engine.proof;

import org.qcowfs.engine.testing.Seeds;

/** The model test for as long as one likes: see {@code integration-tests/model}. */
final class ModelRun {
  private static final int PER_SHAPE = 5;

  private ModelRun() {}

  /** Arguments: sequences to run, minutes to stop after, first seed. */
  public static void main(String[] arguments) {
    long sequences = Long.parseLong(arguments[0]);
    long end = System.nanoTime() + Long.parseLong(arguments[1]) * 60_000_000_000L;
    long first = arguments.length > 2 ? Long.parseLong(arguments[2]) : Seeds.base();
    long failed = 0;
    long done = 0;
    for (long seed = first; done < sequences && System.nanoTime() < end; seed++) {
      try {
        Seeds.run("model", seed, s -> ModelIT.run(s, PER_SHAPE));
      } catch (AssertionError e) {
        failed++;
        System.out.println(e.getMessage());
      }
      done += PER_SHAPE;
      if (done % 500 == 0) {
        System.out.println(done + " sequences, " + failed + " seeds failed");
      }
    }
    System.out.println(done + " sequences from seed " + first + ", " + failed + " seeds failed");
    System.exit(failed == 0 && done >= sequences ? 0 : 1);
  }
}
