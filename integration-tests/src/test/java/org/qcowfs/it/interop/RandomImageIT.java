package org.qcowfs.it.interop;

import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.qcowfs.it.corpus.Corpus;
import org.qcowfs.it.corpus.Kitchen;
import org.qcowfs.it.corpus.Oracle;
import org.qcowfs.it.corpus.RandomImage;
import org.qcowfs.it.corpus.View;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.TempImages;

/**
 * Images made by chance read as QEMU reads them. A failure names its seed: {@code -Dseed=N} runs
 * that one alone, {@code -Dseeds=N} runs the first N (default 12).
 */
class RandomImageIT {
  @TestFactory
  Stream<DynamicTest> readAsQemuDoes() {
    Long only = Long.getLong("seed");
    LongStream seeds =
        only == null ? LongStream.range(0, Long.getLong("seeds", 12)) : LongStream.of(only);
    return seeds.mapToObj(seed -> DynamicTest.dynamicTest("seed " + seed, () -> check(seed)));
  }

  private static void check(long seed) throws Exception {
    try (TempImages scratch = TempImages.create("random-" + seed)) {
      Kitchen kitchen = Kitchen.in(scratch.path("image"), scratch.path("sources"));
      var image = RandomImage.make(kitchen, seed);
      Corpus.settle(kitchen.folder());
      for (View view : Oracle.views(image)) {
        try {
          Compare.engine(image, view);
        } catch (AssertionError e) {
          throw new AssertionError(failure(seed, view, "engine", e), e);
        }
      }
      try (Mounted mounted = Mounted.mount(image, scratch.makeFolder("mnt"))) {
        for (View view : Oracle.views(image)) {
          try {
            Compare.mounted(MountReadIT.flat(mounted, view), view);
          } catch (AssertionError e) {
            throw new AssertionError(failure(seed, view, "mount", e), e);
          }
        }
      }
    }
  }

  private static String failure(long seed, View view, String through, AssertionError cause) {
    return "-Dseed=" + seed + ": " + view.label() + " through the " + through + ": " + cause;
  }
}
