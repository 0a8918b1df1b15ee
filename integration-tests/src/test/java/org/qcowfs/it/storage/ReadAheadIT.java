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
 * A sequential reader of a base whose every read takes 20 ms: long enough for the latency to
 * decide, and not the load of the machine.
 */
@Timeout(90)
class ReadAheadIT {
  private static final int LATENCY_MILLIS = 20;
  private static final int MIB = 1 << 20;

  private static final int SIZE = 64 * MIB;

  private TempImages temp;
  private Path real;
  private Path point;
  private BadStorage storage;

  @BeforeEach
  void makeBase() throws IOException {
    temp = TempImages.create("readahead");
    Path folder = temp.makeFolder("real");
    real = folder.resolve("base.raw");
    point = temp.makeFolder("mnt");
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

  /** The latency is what it costs: as many requests at once, so many times as fast. */
  @Test
  void hasEightRequestsUnderWayAtOnce() {
    storage.faults().setCached(true);
    try (Mounted mounted =
        Mounted.mount(storage.path("base.raw"), point, "--overlay", "--format=raw")) {
      Run.ok("dd", "if=" + mounted.disk(), "of=/dev/null", "bs=" + MIB, "status=none");
      assertThat(storage.faults().mostInFlight()).isGreaterThanOrEqualTo(8);
      Run.ok("cmp", mounted.disk().toString(), real.toString());
      mounted.unmount();
    }
  }
}
