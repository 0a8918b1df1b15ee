package org.qcowfs.engine.testing;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

class ReferenceDiskTest {
  private static final int SIZE = 3 * 512 + 100;

  private final ReferenceDisk disk = new ReferenceDisk(new byte[SIZE]);

  private static byte[] filled(int value, int length) {
    byte[] bytes = new byte[length];
    Arrays.fill(bytes, (byte) value);
    return bytes;
  }

  private void lawful(int position, byte[] found) {
    assertThatCode(() -> disk.verifyAfterCrash(position, found)).doesNotThrowAnyException();
  }

  private void unlawful(int position, byte[] found) {
    assertThatThrownBy(() -> disk.verifyAfterCrash(position, found))
        .isInstanceOf(AssertionError.class);
  }

  @Test
  void aSectorIsOldOrNewUntilAFlushReturned() {
    disk.write(5, 0, filled(1, SIZE));
    disk.write(7, 0, filled(2, SIZE));
    disk.flushed(9, 1);
    lawful(5, new byte[SIZE]);
    unlawful(5, filled(1, SIZE)); // not begun yet
    lawful(6, filled(1, SIZE));
    unlawful(7, filled(2, SIZE));
    lawful(8, new byte[SIZE]);
    lawful(8, filled(2, SIZE));
    unlawful(9, new byte[SIZE]); // the flush covers the first request
    lawful(9, filled(1, SIZE));
    lawful(9, filled(2, SIZE));
    byte[] mixed = filled(1, SIZE);
    Arrays.fill(mixed, 512, 1024, (byte) 2);
    lawful(9, mixed);
    mixed[700] = 1;
    unlawful(9, mixed); // no sector is half and half
  }

  @Test
  void theDiskIsWhatWasWrittenLast() {
    disk.write(0, 10, filled(1, 600));
    disk.zero(0, 100, 10);
    byte[] now = new byte[SIZE];
    Arrays.fill(now, 10, 610, (byte) 1);
    Arrays.fill(now, 100, 110, (byte) 0);
    assertThatCode(() -> disk.verify(0, now)).doesNotThrowAnyException();
    now[105] = 1;
    assertThatThrownBy(() -> disk.verify(0, now)).hasMessageContaining("0x69");
  }

  @Test
  void aFailedRequestLeavesOldOrNewBytes() {
    byte[] half = filled(1, 1024);
    Arrays.fill(half, 512, 1024, (byte) 0);
    assertThatThrownBy(() -> disk.failed(0, 0, filled(1, 1024), filled(3, 1024)))
        .isInstanceOf(AssertionError.class);
    disk.failed(0, 0, filled(1, 1024), half);
    assertThatCode(() -> disk.verify(0, half)).doesNotThrowAnyException();
  }
}
