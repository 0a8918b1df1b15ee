package org.qcowfs.cli.render;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.StringWriter;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import sun.misc.Signal;

final class ProgressLineTest {
  @Test
  void itIsDrawnInSteps() {
    StringWriter out = new StringWriter();
    try (ProgressLine line = new ProgressLine(out, true)) {
      line.at(1, 1000);
      line.at(2, 1000);
      line.at(500, 1000);
    }
    assertThat(out).hasToString("    (0.10/100%)\r    (50.00/100%)\r\n");
  }

  @Test
  void aSignalDrawsItOnce() {
    StringWriter out = new StringWriter();
    try (ProgressLine line = new ProgressLine(out, false).onSignal()) {
      line.at(1, 4);
      assertThat(out).hasToString("");
      Signal.raise(new Signal("USR1"));
      long deadline = System.nanoTime() + Duration.ofSeconds(30).toNanos();
      while (out.toString().isEmpty() && System.nanoTime() < deadline) {
        Thread.onSpinWait();
      }
    }
    assertThat(out).hasToString("    (25.00/100%)\r");
  }
}
