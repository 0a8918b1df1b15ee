package org.qcowfs.engine.proof;

import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.qcowfs.engine.proof.GuestOperation.Flush;
import org.qcowfs.engine.proof.GuestOperation.Write;
import org.qcowfs.engine.testing.Seeds;

/** Random requests on images of random shapes; {@link ModelRun} is the long run. */
class ModelIT {
  private static final int SHAPES = 100;

  @Test
  void randomRequestsOnRandomImagesLeaveWhatAByteArrayWouldHold() {
    Seeds.forEach("model", SHAPES, seed -> run(seed, 3));
  }

  /** The second compressed cluster takes the place of the first, and has the same descriptor. */
  @Test
  void aCompressedClusterInAnothersPlaceIsReadAnew() throws Exception {
    try (Templates templates = new Templates()) {
      new ModelSequence(templates.make(Shape.plain(16, 1 << 20), 1))
          .run(
              List.of(
                  new Write(0x8_0000, 0x1_0000, 1, true),
                  new Write(0x8_0000, 0x1000, 2, false),
                  new Flush(),
                  new Write(0x8_0000, 0x7_0000, 3, true)));
    }
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
