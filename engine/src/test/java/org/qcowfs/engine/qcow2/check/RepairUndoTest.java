package org.qcowfs.engine.qcow2.check;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.testing.ImageBuilder;
import org.qcowfs.engine.testing.MemoryContent;
import org.qcowfs.engine.testing.MemoryHostFiles;

/** A repair that saved what it overwrote is taken back. */
final class RepairUndoTest {
  private static final String IMAGE = "image.qcow2";
  private static final String SAVED = "saved";

  private final MemoryHostFiles files = new MemoryHostFiles(Map.of(IMAGE, image()));
  private final byte[] before = files.content(IMAGE).bytes();

  /** Two data clusters; all refcounts are 0, which is too low. */
  private static MemoryContent image() {
    ImageBuilder builder = ImageBuilder.v3(12, 1 << 20);
    builder.data(0, 1);
    builder.data(1, 2);
    return MemoryContent.of(builder.bytes());
  }

  private Repair.Outcome repair(boolean dryRun) throws ImageException {
    try (HostFile file = files.open(IMAGE, true)) {
      RepairPlan plan = new RepairPlan(Repair.Scope.ALL, dryRun, () -> files.createNew(SAVED));
      return Repair.run(file, plan, finding -> {});
    }
  }

  private String undo() throws ImageException {
    try (HostFile file = files.open(IMAGE, true);
        HostFile saved = files.open(SAVED, false)) {
      return Repair.undo(file, saved);
    }
  }

  @Test
  void theImageIsAsItWas() throws ImageException {
    Repair.Outcome outcome = repair(false);
    assertThat(outcome.refusal()).isNull();
    assertThat(outcome.after().exitCode()).isZero();
    assertThat(files.content(IMAGE).bytes()).isNotEqualTo(before);
    assertThat(undo()).contains("1 ranges were put back");
    assertThat(files.content(IMAGE).bytes()).isEqualTo(before);
  }

  @Test
  void aDryRunWritesNothingAndSavesNothing() throws ImageException {
    assertThat(repair(true).actions()).isNotEmpty();
    assertThat(files.content(IMAGE).bytes()).isEqualTo(before);
    assertThat(files.copy()).doesNotContainKey(SAVED);
  }

  @Test
  void anImageThatWasWrittenToSinceIsLeftAlone() throws ImageException {
    repair(false);
    long last = files.content(IMAGE).length() - 1;
    files.content(IMAGE).write(last, new byte[] {1});
    byte[] changed = files.content(IMAGE).bytes();
    assertThatThrownBy(this::undo)
        .hasMessageContaining("is not the image that was repaired, or was written to since");
    assertThat(files.content(IMAGE).bytes()).isEqualTo(changed);
  }

  @Test
  void aBackupThatIsCutOffIsRefused() throws ImageException {
    repair(false);
    byte[] repaired = files.content(IMAGE).bytes();
    MemoryContent saved = files.content(SAVED);
    for (long length : new long[] {saved.length() - 1, 60, 36, 8, 0}) {
      saved.truncate(length);
      assertThatThrownBy(this::undo).isInstanceOf(ImageException.class);
      assertThat(files.content(IMAGE).bytes()).isEqualTo(repaired);
    }
  }
}
