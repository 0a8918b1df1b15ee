package org.qcowfs.engine.qcow2.check;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;

/**
 * How to repair.
 *
 * @param scope what may be repaired
 * @param dryRun whether only to say what would be done
 * @param backup makes the file that what is changed in place is saved to, or null
 */
public record RepairPlan(Repair.Scope scope, boolean dryRun, @Nullable Backup backup) {
  /** Makes the file for a backup, once there is something to save. */
  @FunctionalInterface
  public interface Backup {
    /** Creates it; the repair closes it. */
    HostFile create() throws ImageException;
  }

  /** Everything in {@code scope}, at once, without a backup. */
  public static RepairPlan of(Repair.Scope scope) {
    return new RepairPlan(scope, false, null);
  }

  /** A change of the image, with what it overwrites saved first. */
  @FunctionalInterface
  interface Change {
    void run() throws ImageException;
  }

  /** Runs a change that overwrites {@code ranges}, and beside them writes in {@code append}. */
  void run(HostFile image, List<UndoFile.Range> ranges, UndoFile.Append append, Change change)
      throws ImageException {
    if (backup == null) {
      change.run();
      return;
    }
    try (HostFile file = backup.create()) {
      UndoFile undo = UndoFile.save(image, file, ranges, append);
      change.run();
      undo.finish(file);
    }
  }
}
