package org.qcowfs.engine.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.posix.Errno;

class MemoryHostFileTest {
  private static final int SIZE = 100_000;

  @Test
  void holdsWhatAByteArrayWouldHoldAndSoDoItsCopies() {
    Random random = new Random(1);
    byte[] model = new byte[SIZE];
    MemoryContent content = new MemoryContent();
    content.truncate(SIZE);
    for (int i = 0; i < 500; i++) {
      int at = random.nextInt(SIZE);
      int n = 1 + random.nextInt(Math.min(SIZE - at, 20_000));
      MemoryContent before = content.copy();
      byte[] then = model.clone();
      switch (random.nextInt(4)) {
        case 0 -> {
          content.zero(at, n, random.nextBoolean());
          Arrays.fill(model, at, at + n, (byte) 0);
        }
        case 1 -> content.allocate(at, n);
        case 2 -> {
          content.truncate(at);
          content.truncate(SIZE);
          Arrays.fill(model, at, SIZE, (byte) 0);
        }
        default -> {
          byte[] data = new byte[n];
          random.nextBytes(data);
          content.write(at, data);
          System.arraycopy(data, 0, model, at, n);
        }
      }
      assertThat(content.bytes()).isEqualTo(model);
      assertThat(before.bytes()).isEqualTo(then);
    }
  }

  @Test
  void answersHolesToThePage() throws ImageException {
    MemoryContent content = new MemoryContent();
    content.truncate(10 * 4096);
    content.write(3 * 4096 + 5, new byte[] {1});
    try (MemoryHostFile file = new MemoryHostFile("f", content, true)) {
      assertThat(file.nextData(0)).isEqualTo(3 * 4096);
      assertThat(file.nextHole(3 * 4096 + 9)).isEqualTo(4 * 4096);
      assertThat(file.nextData(4 * 4096)).isEqualTo(Long.MAX_VALUE);
      assertThat(file.allocatedBytes()).isEqualTo(4096);
      assertThat(file.punchHole(3 * 4096, 4096)).isTrue();
      assertThat(file.nextData(0)).isEqualTo(Long.MAX_VALUE);
    }
  }

  @Test
  void refusesWritesWhenOpenedForReading() throws ImageException {
    try (MemoryHostFile file = new MemoryHostFile("f", new MemoryContent(), false)) {
      assertThatExceptionOfType(ImageException.class)
          .isThrownBy(() -> file.write(0, DataBuffer.allocate(1), 0, 1))
          .satisfies(e -> assertThat(e.errno()).isEqualTo(Errno.EBADF));
    }
  }
}
