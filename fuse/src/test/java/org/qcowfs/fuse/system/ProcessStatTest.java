package org.qcowfs.fuse.system;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Objects;
import org.junit.jupiter.api.Test;

class ProcessStatTest {
  private static String line(char state, int threads) {
    return "4711 (a) b ( c) "
        + state
        + " 1 4711 4711 0 -1 4194560 9 0 7 0 1 2 0 0 20 0 "
        + threads
        + " 0 271828 33 44 55\n";
  }

  @Test
  void theNameMayBeAnything() {
    assertThat(ProcessStat.parse(line('S', 21))).isEqualTo(new ProcessStat('S', 21, 271828));
  }

  @Test
  void aProcessHasEndedWithItsLastThread() {
    assertThat(ProcessStat.parse(line('S', 1)).hasEnded()).isFalse();
    assertThat(ProcessStat.parse(line('Z', 5)).hasEnded()).isFalse();
    assertThat(ProcessStat.parse(line('Z', 1)).hasEnded()).isTrue();
    assertThat(ProcessStat.parse(line('Z', 0)).hasEnded()).isTrue();
  }

  @Test
  void thisProcessRuns() {
    ProcessStat self = Objects.requireNonNull(ProcessStat.of(ProcessHandle.current().pid()));
    assertThat(self.hasEnded()).isFalse();
    assertThat(self.threads()).isGreaterThan(1);
    assertThat(self.startTicks()).isPositive();
    assertThat(ProcessStat.of(Integer.MAX_VALUE)).isNull();
  }

  /** The parent, the shell, has become a program that asks for no child. */
  @Test
  void aChildNobodyAsksForHasEnded() throws Exception {
    Process parent =
        new ProcessBuilder("sh", "-c", "sh -c 'echo $$' & exec sleep 60")
            .redirectErrorStream(true)
            .start();
    try (var out = parent.inputReader()) {
      long child = Long.parseLong(out.readLine());
      ProcessStat stat;
      do {
        stat = Objects.requireNonNull(ProcessStat.of(child));
      } while (stat.state() != 'Z');
      assertThat(stat.hasEnded()).isTrue();
    } finally {
      parent.destroyForcibly();
    }
  }
}
