package org.qcowfs.engine.qcow2.check;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Damaged images of every feature are repaired, and judged by {@code qemu-img} before and after.
 *
 * <p>More of them: {@code integration-tests/checkfuzz}.
 */
final class RepairIT {
  private static final int REPAIRS = 160;
  private static final int CRASHES = 50;

  @TempDir Path folder;

  @Test
  void whatCouldBeReadStaysAndQemuAgreesThatTheRestIsRight() throws IOException {
    RepairProof proof = new RepairProof(folder);
    List<String> faults = new ArrayList<>();
    for (long seed = 1; seed <= REPAIRS; seed++) {
      String fault = proof.repair(seed);
      if (fault != null) {
        faults.add(fault);
      }
    }
    assertThat(faults).as("%s", proof.tally).isEmpty();
    assertThat(proof.tally.clean).isGreaterThan(REPAIRS / 4);
    assertThat(proof.tally.refused).isLessThan(REPAIRS / 8);
  }

  @Test
  void aCrashLeavesTheImageAsItWasOrRepaired() throws IOException {
    RepairProof proof = new RepairProof(folder);
    for (long seed = 1; seed <= CRASHES; seed++) {
      assertThat(proof.crash(seed)).isNull();
    }
    assertThat(proof.tally.crashes).isGreaterThan(CRASHES * 5);
  }
}
