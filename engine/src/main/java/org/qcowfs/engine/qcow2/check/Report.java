package org.qcowfs.engine.qcow2.check;

import java.util.function.Consumer;
import org.qcowfs.engine.qcow2.check.Finding.Kind;

/** Counts findings and passes them on. */
final class Report {
  private final Consumer<Finding> findings;
  long corruptions;
  long leaks;
  long checkErrors;

  Report(Consumer<Finding> findings) {
    this.findings = findings;
  }

  void add(Finding finding) {
    switch (finding.kind().severity()) {
      case CORRUPTION -> corruptions += finding.times();
      case LEAK -> leaks += finding.times();
      case CHECK_ERROR -> checkErrors += finding.times();
    }
    findings.accept(finding);
  }

  /** A finding about an entry or table rather than about a number. */
  void add(
      Kind kind, String structure, long hostOffset, long guestOffset, long times, String text) {
    add(new Finding(kind, structure, hostOffset, guestOffset, 0, 0, times, text));
  }
}
