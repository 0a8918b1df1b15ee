package org.qcowfs.fuse.tree;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.qcowfs.engine.error.ImageException;

class FaultLogTest {
  private static final long SECOND = 1_000_000_000L;

  private final List<String> lines = new ArrayList<>();
  private long now = 5;
  private final FaultLog log = new FaultLog(lines::add, () -> now);

  @Test
  void writesAFaultWithFileAndReason() {
    log.fault(ImageException.corrupt("/images/a.qcow2", "L2 entry 3 at 0x50000 is misaligned"));
    assertThat(lines).containsExactly("/images/a.qcow2: L2 entry 3 at 0x50000 is misaligned");
  }

  @Test
  void countsARepeatedLineInsteadOfWritingIt() {
    for (int i = 0; i < 1000; i++) {
      log.line("bad");
      now += SECOND / 200;
    }
    log.line("other");
    now += 20 * SECOND;
    log.line("bad");
    assertThat(lines).containsExactly("bad", "other", "bad (and 999 times before)");
  }

  @Test
  void forgetsOldLinesRatherThanGrow() {
    for (int i = 0; i < 1000; i++) {
      log.line("line " + i);
    }
    log.line("line 0");
    assertThat(lines).hasSize(1001);
  }

  @Test
  void namesTheExceptionNobodyExpected() {
    log.unexpected("getattr", new IllegalStateException("two\nlines"));
    assertThat(lines).hasSize(1);
    assertThat(lines.get(0))
        .startsWith("internal error in getattr: java.lang.IllegalStateException: two\\x0alines at")
        .contains("FaultLogTest");
  }
}
