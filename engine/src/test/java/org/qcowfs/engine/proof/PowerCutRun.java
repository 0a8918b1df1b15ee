package org.qcowfs.engine.proof;

import org.qcowfs.engine.testing.Seeds;

/** Power cuts for as long as one likes: see {@code integration-tests/powercut}. */
final class PowerCutRun {
  /** Every so many workloads one with several writers. */
  private static final int WITH_SEVERAL_WRITERS = 8;

  private PowerCutRun() {}

  /** Arguments: workloads to run, minutes to stop after, first seed. */
  public static void main(String[] arguments) {
    long count = Long.parseLong(arguments[0]);
    long end = System.nanoTime() + Long.parseLong(arguments[1]) * 60_000_000_000L;
    long first = arguments.length > 2 ? Long.parseLong(arguments[2]) : Seeds.base();
    long failed = 0;
    long done = 0;
    for (; done < count && System.nanoTime() < end; done++) {
      try {
        Seeds.run("power cut", first + done, PowerCutIT::random);
        if (done % WITH_SEVERAL_WRITERS == 0) {
          Seeds.run("under several writers", first + done, ConcurrentPowerCutIT::random);
        }
      } catch (AssertionError e) {
        failed++;
        System.out.println(e.getMessage());
      }
      if (done % 100 == 99) {
        System.out.println(done + 1 + " workloads, " + failed + " failed");
      }
    }
    System.out.println(done + " workloads from seed " + first + ", " + failed + " failed");
    System.exit(failed == 0 && done >= count ? 0 : 1);
  }
}
