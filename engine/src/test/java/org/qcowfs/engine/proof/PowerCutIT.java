package org.qcowfs.engine.proof;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.qcowfs.engine.testing.HostOperation;
import org.qcowfs.engine.testing.HostOperation.Kind;
import org.qcowfs.engine.testing.Seeds;

/**
 * Whatever a crash leaves opens, has leaks at most, and holds what was flushed; {@link PowerCutRun}
 * is the long run.
 */
class PowerCutIT {
  private static final int RANDOM_WORKLOADS = 12;

  @ParameterizedTest
  @EnumSource
  void everyCrashOfAScenarioLosesNothingFlushed(Scenario scenario) throws IOException {
    try (Templates templates = new Templates()) {
      CrashSequence recorded =
          CrashSequence.record(
              templates.make(scenario.shape(), scenario.ordinal()), scenario.operations());
      recorded.judgeAll(scenario.ordinal(), scenario.cuts(), 60);
      assertThat(recorded.states()).isGreaterThan(20);
    }
  }

  @Test
  void everyCrashOfRandomWorkLosesNothingFlushed() {
    Seeds.forEach("power cut", RANDOM_WORKLOADS, PowerCutIT::random);
  }

  /** Random work on a small image of a random shape. */
  static void random(long seed) throws IOException {
    Random random = Seeds.random(seed);
    Shape drawn;
    do {
      drawn = Shape.random(random);
    } while (drawn.clusterBits() > 16);
    Shape shape = drawn.withSize((1 << 17) + (random.nextInt(1 << 17) & -512));
    try (Templates templates = new Templates()) {
      Template template = templates.make(shape, seed);
      List<GuestOperation> operations =
          Workload.draw(random, shape, 10 + random.nextInt(30), 1 << 16);
      try {
        Shrinker.run(operations, o -> CrashSequence.record(template, o).judgeAll(seed, 4, 400));
      } catch (AssertionError e) {
        throw new AssertionError(shape + ": " + e.getMessage(), e);
      }
    }
  }

  /** Without the syncs that put refcounts before pointers, a power cut corrupts: we notice. */
  @Test
  void missingSyncsAreNoticed() throws IOException {
    breakTheRule(operation -> operation.kind() == Kind.SYNC);
  }

  /** One barrier fewer in each flush, the first or the last: we notice each. */
  @Test
  void aMissingBarrierIsNoticed() throws IOException {
    for (int phase = 0; phase < 2; phase++) {
      int missing = phase;
      int[] seen = {0};
      breakTheRule(operation -> operation.kind() == Kind.SYNC && seen[0]++ % 2 == missing);
    }
  }

  /** Refcounts that are never written are noticed. */
  @Test
  void missingRefcountsAreNoticed() throws IOException {
    // The image's first refcount block is its third cluster, as qemu-img lays it out.
    breakTheRule(operation -> operation.kind() == Kind.WRITE && operation.offset() >> 16 == 2);
  }

  /** Judges the journal without the operations {@code undone} names. */
  private static void breakTheRule(Predicate<HostOperation> undone) throws IOException {
    try (Templates templates = new Templates()) {
      Scenario scenario = Scenario.ALLOCATING;
      CrashSequence sound =
          CrashSequence.record(templates.make(scenario.shape(), 1), scenario.operations());
      List<HostOperation> journal = new ArrayList<>();
      for (HostOperation operation : sound.journal()) {
        // A stand-in keeps the positions of all others.
        journal.add(
            undone.test(operation)
                ? new HostOperation("nothing", Kind.SYNC, 0, 0, new byte[0])
                : operation);
      }
      assertThat(journal).isNotEqualTo(sound.journal());
      CrashSequence broken = sound.withJournal(journal);
      assertThatThrownBy(() -> broken.judgeAll(1, 200, 1_000_000))
          .isInstanceOf(AssertionError.class)
          .hasMessageContaining("after operation");
    }
  }
}
