package org.qcowfs.engine.qcow2.check;

import java.util.function.Consumer;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.qcow2.check.Finding.Kind;

/**
 * What a repair is about to mend, line by line, as {@code qemu-img check -r} tells it after the
 * findings.
 *
 * <p>COPIED flags are held against the refcounts that will be: those that were right but for a
 * wrong refcount are no fault.
 */
final class RepairWords {
  private final Checker checker;
  private final Consumer<Finding> findings;

  /**
   * @param checker one that has run, and whose counts were not changed since
   */
  RepairWords(Checker checker, Consumer<Finding> findings) {
    this.checker = checker;
    this.findings = findings;
  }

  /** As the other, for an image whose former checker does not know its counts any more. */
  static RepairWords of(Checker former, Consumer<Finding> findings) throws ImageException {
    Checker checker = former.again(finding -> {});
    checker.run();
    return new RepairWords(checker, findings);
  }

  /**
   * Tells all.
   *
   * @param anew whether a refcount of 0 or a bad block makes QEMU rebuild all refcounts
   * @param flags whether COPIED flags are mended too
   * @return how many COPIED flags are wrong
   */
  long tell(boolean anew, boolean flags) throws ImageException {
    StoredRefcounts stored = checker.stored();
    if (stored == null) {
      return 0;
    }
    if (anew) {
      oldStructures(stored);
    } else {
      checker.compareAgain(stored, this::refcount);
    }
    long[] wrong = {0};
    if (flags) {
      checker.reportFlags(
          checker.expected()::count,
          finding -> {
            wrong[0] += finding.times();
            repairing(finding, finding.text());
          });
    }
    return wrong[0];
  }

  /** The old refcount table and blocks, in the order they lie in the file. */
  private void oldStructures(StoredRefcounts stored) {
    findings.accept(
        new Finding(
            Kind.REFCOUNT_BLOCK,
            "refcount table",
            Finding.NONE,
            Finding.NONE,
            0,
            0,
            1,
            "Rebuilding refcount structure"));
    int bits = checker.header().clusterBits();
    long table = checker.header().refcountTableOffset() >>> bits;
    java.util.stream.LongStream.concat(
            java.util.stream.LongStream.range(
                table, table + checker.header().refcountTableClusters()),
            checker.countedBlocks().stream().mapToLong(block -> block >>> bits))
        .sorted()
        .filter(cluster -> checker.expected().count(cluster) == 1)
        .forEach(
            cluster ->
                findings.accept(
                    new Finding(
                        Kind.REFCOUNT_TOO_HIGH,
                        "refcount block",
                        cluster << bits,
                        Finding.NONE,
                        0,
                        1,
                        1,
                        "Repairing cluster " + cluster + " refcount=1 reference=0")));
  }

  private void refcount(Finding finding) {
    if (finding.kind() == Kind.REFCOUNT_TOO_HIGH || finding.kind() == Kind.REFCOUNT_TOO_LOW) {
      repairing(finding, finding.text());
    }
  }

  private void repairing(Finding finding, String text) {
    findings.accept(
        new Finding(
            finding.kind(),
            finding.structure(),
            finding.hostOffset(),
            finding.guestOffset(),
            finding.expected(),
            finding.actual(),
            finding.times(),
            "Repairing" + text.substring(text.indexOf(' '))));
  }
}
