package org.qcowfs.engine;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.chain.FormatProbe;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.qcow2.check.CheckExtras;
import org.qcowfs.engine.qcow2.check.CheckResult;
import org.qcowfs.engine.qcow2.check.Checker;
import org.qcowfs.engine.qcow2.check.Explanation;
import org.qcowfs.engine.qcow2.check.Finding;
import org.qcowfs.engine.qcow2.check.Repair;
import org.qcowfs.engine.qcow2.check.RepairPlan;

/**
 * An image that was checked.
 *
 * @param format its format
 * @param result what was counted, after a repair if there was one; null if the format has no
 *     metadata to check
 * @param corruptionsFixed corruptions that a repair removed
 * @param leaksFixed leaks that a repair removed
 * @param refusal why a repair that was asked for did not take place, or null
 * @param actions what a repair did, or would do, one line each
 * @param explanations what the findings mean, if that was asked for
 */
public record ImageCheck(
    String format,
    @Nullable CheckResult result,
    long corruptionsFixed,
    long leaksFixed,
    @Nullable String refusal,
    List<String> actions,
    List<Explanation> explanations) {
  /**
   * Checks an image's metadata; nothing but the image file itself is opened.
   *
   * @param path a regular file or block device
   * @param plan how to repair, or null to change nothing
   * @param extras what to do beside; no explanation together with a plan
   * @param options its format, whether to share it with a writer, and who is told of warnings
   * @param findings told of each finding as it is made
   * @throws ImageException if the file cannot be opened as an image at all
   */
  public static ImageCheck run(
      String path,
      @Nullable RepairPlan plan,
      CheckExtras extras,
      OpenOptions options,
      Consumer<Finding> findings)
      throws ImageException {
    try (HostFile file = HostFiles.POSIX.open(path, plan != null && !plan.dryRun())) {
      HostFiles.POSIX.lock(file, options.forceShare(), options.warnings());
      String named = options.format();
      String format = named == null ? FormatProbe.probe(file) : named;
      return switch (format) {
        case "qcow2" -> qcow2(file, plan, extras, findings);
        case "raw" -> new ImageCheck(format, null, 0, 0, null, List.of(), List.of());
        default ->
            throw new ImageException(
                ErrorKind.UNSUPPORTED,
                path,
                named == null
                    ? "Image is in " + format + " format, which is not supported"
                    : "Unknown driver '" + Escape.text(format) + "'; expected qcow2 or raw");
      };
    }
  }

  private static ImageCheck qcow2(
      HostFile file, @Nullable RepairPlan plan, CheckExtras extras, Consumer<Finding> findings)
      throws ImageException {
    if (plan == null) {
      List<Explanation> explanations = new ArrayList<>();
      CheckResult result = Checker.check(file, extras, findings, explanations);
      return new ImageCheck("qcow2", result, 0, 0, null, List.of(), explanations);
    }
    Repair.Outcome outcome = Repair.run(file, plan, findings);
    return new ImageCheck(
        "qcow2",
        outcome.after(),
        outcome.corruptionsFixed(),
        outcome.leaksFixed(),
        outcome.refusal(),
        outcome.actions(),
        List.of());
  }

  /**
   * Puts back what a repair with a backup has changed.
   *
   * @param path the image
   * @param backup the file that the repair saved to
   * @return what was done, in one line
   * @throws ImageException if one of the two cannot be opened, or kind {@code REFUSED} if the
   *     backup is not of the image as it is now
   */
  public static String undo(String path, String backup, OpenOptions options) throws ImageException {
    try (HostFile file = HostFiles.POSIX.open(path, true)) {
      HostFiles.POSIX.lock(file, false, options.warnings());
      try (HostFile saved = HostFiles.POSIX.open(backup, false)) {
        return Repair.undo(file, saved);
      }
    }
  }

  /** A repair's backup in the file {@code path}, which must not exist yet. */
  public static RepairPlan.Backup backup(String path) {
    return () -> HostFiles.POSIX.createNew(path);
  }
}
