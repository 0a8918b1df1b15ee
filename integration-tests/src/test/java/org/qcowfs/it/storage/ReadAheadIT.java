package org.qcowfs.it.storage;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/**
 * A sequential reader of a base that answers nobody until nobody has asked for anything for 50 ms:
 * the latency decides, and not the load of the machine.
 */
@Timeout(300)
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
  void hasEightTimesTheReadersRequestUnderWayAtOnce() throws Exception {
    storage.faults().setCached(true);
    try (Mounted mounted =
        Mounted.mount(storage.path("base.raw"), point, "--overlay", "--format=raw")) {
      storage.faults().hang();
      Process reader =
          new ProcessBuilder("dd", "if=" + mounted.disk(), "of=" + copy, "bs=" + MIB)
              .redirectError(ProcessBuilder.Redirect.DISCARD)
              .start();
      for (long asked = -1; !reader.waitFor(LATENCY_MILLIS, TimeUnit.MILLISECONDS); ) {
        long before = asked;
        asked = storage.faults().reads();
        if (asked == before) {
          storage.faults().step();
        }
      }
      storage.faults().release();
      assertThat(reader.exitValue()).isZero();
      assertThat(storage.faults().mostBytesInFlight()).isGreaterThanOrEqualTo(8 * MIB);
      Run.ok("cmp", copy.toString(), real.toString());
      mounted.unmount();
    }
  }
}
