package org.qcowfs.engine.proof;

import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.qcowfs.engine.testing.Seeds;

/** Random requests on images of random shapes; {@link ModelRun} is the long run. */
class ModelIT {
  private static final int SHAPES = 100;

  @Test
  void randomRequestsOnRandomImagesLeaveWhatAByteArrayWouldHold() {
    Seeds.forEach("model", SHAPES, seed -> run(seed, 3));
  }

  /** Draws a shape and runs {@code sequences} workloads on it. */
  static void run(long seed, int sequences) throws Exception {
    Random random = Seeds.random(seed);
    Shape shape = Shape.random(random);
    try (Templates templates = new Templates()) {
      ModelSequence sequence = new ModelSequence(templates.make(shape, seed));
      for (int i = 0; i < sequences; i++) {
        List<GuestOperation> operations = Workload.draw(random, shape, 5 + random.nextInt(60));
        try {
          Shrinker.run(operations, sequence::run);
        } catch (AssertionError e) {
          throw new AssertionError(shape + "\nsequence " + i + ": " + e.getMessage(), e);
        }
      }
    }
  }
}
