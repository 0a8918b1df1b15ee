package org.qcowfs.engine;

import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.chain.FormatProbe;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.qcow2.check.CheckResult;
import org.qcowfs.engine.qcow2.check.Checker;
import org.qcowfs.engine.qcow2.check.Finding;
import org.qcowfs.engine.qcow2.check.Repair;

/**
 * An image that was checked.
 *
 * @param format its format
 * @param result what was counted, after a repair if there was one; null if the format has no
 *     metadata to check
 * @param corruptionsFixed corruptions that a repair removed
 * @param leaksFixed leaks that a repair removed
 * @param refusal why a repair that was asked for did not take place, or null
 */
public record ImageCheck(
    String format,
    @Nullable CheckResult result,
    long corruptionsFixed,
    long leaksFixed,
    @Nullable String refusal) {
  /**
   * Checks an image's metadata; nothing but the image file itself is opened.
   *
   * @param path a regular file or block device
   * @param scope what to repair, or null to change nothing
   * @param options its format, whether to share it with a writer, and who is told of warnings
   * @param findings told of each finding as it is made
   * @throws ImageException if the file cannot be opened as an image at all
   */
  public static ImageCheck run(
      String path, Repair.@Nullable Scope scope, OpenOptions options, Consumer<Finding> findings)
      throws ImageException {
    try (HostFile file = HostFiles.POSIX.open(path, scope != null)) {
      HostFiles.POSIX.lock(file, options.forceShare(), options.warnings());
      String named = options.format();
      String format = named == null ? FormatProbe.probe(file) : named;
      return switch (format) {
        case "qcow2" -> qcow2(file, scope, findings);
        case "raw" -> new ImageCheck(format, null, 0, 0, null);
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
      HostFile file, Repair.@Nullable Scope scope, Consumer<Finding> findings)
      throws ImageException {
    if (scope == null) {
      return new ImageCheck("qcow2", Checker.check(file, findings), 0, 0, null);
    }
    Repair.Outcome outcome = Repair.run(file, scope, findings);
    return new ImageCheck(
        "qcow2",
        outcome.after(),
        outcome.corruptionsFixed(),
        outcome.leaksFixed(),
        outcome.refusal());
  }
}
