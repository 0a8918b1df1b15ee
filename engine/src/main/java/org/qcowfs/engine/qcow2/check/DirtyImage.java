package org.qcowfs.engine.qcow2.check;

import java.util.function.Consumer;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.Qcow2Opener;
import org.qcowfs.engine.qcow2.format.Header;
import org.qcowfs.engine.qcow2.format.HeaderExtension;
import org.qcowfs.engine.qcow2.format.IncompatibleFeature;

/** A dirty image is repaired before it is written to, as QEMU does: its refcounts may be behind. */
public final class DirtyImage {
  private DirtyImage() {}

  /**
   * Repairs the image if its header says that it was not closed cleanly; an image that will not be
   * opened for writing for another reason is left alone.
   *
   * @param file open for writing and locked; stays open
   * @param log told in one line what was done
   * @throws ImageException kind {@code CORRUPT} if faults would remain, and {@code file} is then
   *     unchanged but for what was mended; {@code IO} if writing failed
   */
  public static void repair(HostFile file, Consumer<String> log) throws ImageException {
    Header header = Qcow2Opener.readHeader(file);
    if (!header.has(IncompatibleFeature.DIRTY)
        || header.has(IncompatibleFeature.CORRUPT)
        || header.cryptMethod() != 0
        || header.extension(HeaderExtension.BITMAPS) != null) {
      return;
    }
    Repair.Outcome outcome = Repair.run(file, Repair.Scope.ALL, finding -> {});
    CheckResult after = outcome.after();
    String refusal = outcome.refusal();
    if (refusal == null && after.exitCode() != 0) {
      refusal =
          String.format(
              "%d errors remain, which 'qcowfs check' names",
              after.corruptions() + after.checkErrors() + after.leaks());
    }
    if (refusal != null) {
      throw ImageException.corrupt(
          file.path(),
          "Image was not closed cleanly (dirty bit set) and cannot be repaired: " + refusal);
    }
    log.accept(
        String.format(
            "%s: was not closed cleanly; repaired (%d corruptions, %d leaked clusters)",
            Escape.text(file.path()), outcome.corruptionsFixed(), outcome.leaksFixed()));
  }
}
