package org.qcowfs.it.storage;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/**
 * A sequential reader of a base whose every read takes 50 ms: long enough for the latency to
 * decide, and not the load of the machine.
 */
@Timeout(90)
class ReadAheadIT {
  private static final int LATENCY_MILLIS = 50;
  private static final int MIB = 1 << 20;

  private static final int SIZE = 64 * MIB;

  private TempImages temp;
  private Path real;
  private Path point;
  private Path copy;
  private BadStorage storage;

  @BeforeEach
  void makeBase() throws IOException {
    temp = TempImages.create("readahead");
    Path folder = temp.makeFolder("real");
    real = folder.resolve("base.raw");
    point = temp.makeFolder("mnt");
    copy = temp.path("copy");
    byte[] bytes = new byte[SIZE];
    new Random(1).nextBytes(bytes);
    Files.write(real, bytes);
    storage = BadStorage.mount(folder, temp.makeFolder("net"));
    storage.faults().setLatencyMillis(LATENCY_MILLIS);
  }

  @AfterEach
  void cleanUp() {
    storage.close();
    temp.close();
  }

  /**
   * The latency is what a read costs: as much as is under way at once, so many times as fast as one
   * request of 1 MiB at a time it is.
   */
  @Test
  void hasEightTimesTheReadersRequestUnderWayAtOnce() {
    storage.faults().setCached(true);
    try (Mounted mounted =
        Mounted.mount(storage.path("base.raw"), point, "--overlay", "--format=raw")) {
      Run.ok("dd", "if=" + mounted.disk(), "of=" + copy, "bs=" + MIB, "status=none");
      assertThat(storage.faults().mostBytesInFlight()).isGreaterThanOrEqualTo(8 * MIB);
      Run.ok("cmp", copy.toString(), real.toString());
      mounted.unmount();
    }
  }
}
