package org.qcowfs.it.fuzz;

import java.util.List;
import java.util.Set;
import org.qcowfs.it.support.Run;

/** QEMU's opinion of an image: a check that is not our own. */
final class QemuJudge {
  /** No errors, or leaks only. */
  static final Set<Integer> SOUND = Set.of(0, 3);

  /** Corruptions. */
  static final Set<Integer> CORRUPT = Set.of(2);

  /** Some damage keeps it busy for hours: no opinion then. */
  private static final String PATIENCE = "5s";

  private QemuJudge() {}

  /** Whether {@code qemu-img check} ends with one of these exit codes. */
  static boolean finds(String image, Set<Integer> exitCodes) {
    // Its findings may be more than this heap holds.
    String check = "exec timeout -s KILL " + PATIENCE + " qemu-img check -q -f qcow2 \"$0\"";
    List<String> silent = List.of("sh", "-c", check + " >/dev/null 2>&1", image);
    return exitCodes.contains(Run.run(Run.PATIENCE, silent).exitCode());
  }
}
