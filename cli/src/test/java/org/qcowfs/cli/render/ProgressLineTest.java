package org.qcowfs.cli.render;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.io.StringWriter;
import java.time.Duration;
import java.util.function.BooleanSupplier;
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
  void aSignalTellsItOnceWhereNothingIsDrawn() {
    StringWriter out = new StringWriter();
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    try (ProgressLine line =
        new ProgressLine(out, false).onSignal(new PrintStream(err, true, UTF_8))) {
      line.at(1, 4);
      assertThat(out).hasToString("");
      Signal.raise(new Signal("USR1"));
      await(() -> err.size() > 0);
    }
    assertThat(out).hasToString("");
    assertThat(err.toString(UTF_8)).isEqualTo("    (25.00/100%)\n");
  }

  @Test
  void aSignalDrawsItAgain() {
    StringWriter out = new StringWriter();
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    try (ProgressLine line =
        new ProgressLine(out, true).onSignal(new PrintStream(err, true, UTF_8))) {
      line.at(1, 4);
      int drawn = out.toString().length();
      Signal.raise(new Signal("USR1"));
      await(() -> out.toString().length() > drawn);
    }
    assertThat(out).hasToString("    (25.00/100%)\r    (25.00/100%)\r\n");
    assertThat(err.size()).isZero();
  }

  private static void await(BooleanSupplier condition) {
    long deadline = System.nanoTime() + Duration.ofSeconds(30).toNanos();
    while (!condition.getAsBoolean() && System.nanoTime() < deadline) {
      Thread.onSpinWait();
    }
  }
}
