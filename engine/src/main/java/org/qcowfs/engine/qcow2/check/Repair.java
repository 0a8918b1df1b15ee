package org.qcowfs.engine.qcow2.check;

import java.util.EnumMap;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.check.Finding.Kind;
import org.qcowfs.engine.qcow2.format.Header;
import org.qcowfs.engine.qcow2.format.IncompatibleFeature;

/**
 * Repairs refcounts and COPIED flags; guest data is neither moved nor changed.
 *
 * <p>Leaked clusters that nothing uses are set free in place. Everything else is made anew behind
 * the end of the file and put in force by one write of the header ({@link Rebuild}), so a crash at
 * any moment leaves the image as it was or repaired.
 */
public final class Repair {
  /** What may be repaired. */
  public enum Scope {
    /** Only what wastes space, and only in an image without any other fault. */
    LEAKS,
    /** Refcounts and COPIED flags. */
    ALL
  }

  /**
   * What was done.
   *
   * @param before what was found
   * @param after what is still there; the same object if nothing was changed
   * @param refusal why nothing, or less than could be, was changed; or null
   */
  public record Outcome(CheckResult before, CheckResult after, @Nullable String refusal) {
    /** Corruptions that are gone. */
    public long corruptionsFixed() {
      return Math.max(0, before.corruptions() - after.corruptions());
    }

    /** Leaks that are gone. */
    public long leaksFixed() {
      return Math.max(0, before.leaks() - after.leaks());
    }
  }

  /** Autoclear features that what is done here keeps true: bitmaps, raw data file. */
  private static final long AUTOCLEAR_KEPT = 3;

  private static final int INCOMPATIBLE_AT = 72;
  private static final int AUTOCLEAR_AT = 88;

  private final HostFile file;
  private final Consumer<Finding> findings;
  private final Map<Kind, Long> kinds = new EnumMap<>(Kind.class);
  private long firstBeyondEnd = Long.MAX_VALUE;
  private boolean leaksInUse;

  private Repair(HostFile file, Consumer<Finding> findings) {
    this.file = file;
    this.findings = findings;
  }

  /**
   * Checks an image, and repairs it where that is needed and safe.
   *
   * @param file open for writing; stays open
   * @param findings told of each finding before the repair
   * @throws ImageException if it is no qcow2 image, or writing failed
   */
  public static Outcome run(HostFile file, Scope scope, Consumer<Finding> findings)
      throws ImageException {
    return new Repair(file, findings).run(scope);
  }

  private Outcome run(Scope scope) throws ImageException {
    Checker checker = Checker.open(file, this::take);
    CheckResult before = checker.run();
    String refusal = before.failure() != null ? before.failure() : refusal(scope, before);
    if (refusal != null) {
      return new Outcome(before, before, refusal);
    }
    boolean changed = false;
    if (refcountsWrong()) {
      try {
        clearAutoclear(checker.header());
        if (inPlace()) {
          new Rebuild(file, checker).freeLeaks();
        } else {
          new Rebuild(file, checker).run(firstBeyondEnd);
        }
      } catch (ImageException e) {
        if (e.errno() != 0 || e.kind() == ErrorKind.IO) {
          throw e;
        }
        return new Outcome(before, before, e.detail()); // said before the first write
      }
      changed = true;
    }
    CheckResult after = changed ? Checker.check(file, f -> {}) : before;
    if (scope == Scope.ALL) {
      clearMarks(checker.header(), after);
    }
    return new Outcome(before, after, null);
  }

  private void take(Finding finding) {
    findings.accept(finding);
    kinds.merge(finding.kind(), finding.times(), Long::sum);
    if (finding.kind() == Kind.BEYOND_END) {
      firstBeyondEnd = Math.min(firstBeyondEnd, Math.max(0, finding.hostOffset()));
    }
    leaksInUse |= finding.kind() == Kind.REFCOUNT_TOO_HIGH && finding.expected() != 0;
  }

  private boolean has(Kind kind) {
    return kinds.containsKey(kind);
  }

  private @Nullable String refusal(Scope scope, CheckResult before) {
    if (scope == Scope.LEAKS && (before.corruptions() > 0 || before.checkErrors() > 0)) {
      return "leaks are left as they are: the image has other faults, and what seems leaked may be"
          + " what they hide";
    }
    if (has(Kind.UNREADABLE)) {
      return "what cannot be read cannot be repaired";
    }
    if (has(Kind.REFCOUNT_OVERFLOW)) {
      return "clusters are used more often than the image's refcounts can say; convert the image";
    }
    return null;
  }

  /** Whether there is something that new refcounts and flags would mend. */
  private boolean refcountsWrong() {
    return has(Kind.REFCOUNT_TOO_HIGH) || refcountsTooLow();
  }

  private boolean refcountsTooLow() {
    return has(Kind.REFCOUNT_TOO_LOW)
        || has(Kind.REFCOUNT_UNREADABLE)
        || has(Kind.REFCOUNT_BLOCK)
        || has(Kind.COPIED_FLAG);
  }

  private boolean inPlace() {
    return !refcountsTooLow() && !leaksInUse;
  }

  /** Rule W6: features that a writer does not know end before its first write. */
  private void clearAutoclear(Header header) throws ImageException {
    if ((header.autoclear() & ~AUTOCLEAR_KEPT) != 0) {
      writeWord(AUTOCLEAR_AT, header.autoclear() & AUTOCLEAR_KEPT);
    }
  }

  /** The image is not dirty nor corrupt any more, if that is true. */
  private void clearMarks(Header header, CheckResult after) throws ImageException {
    long marks = IncompatibleFeature.DIRTY.mask() | IncompatibleFeature.CORRUPT.mask();
    if (after.failure() == null
        && after.corruptions() == 0
        && after.checkErrors() == 0
        && (header.incompatible() & marks) != 0) {
      writeWord(INCOMPATIBLE_AT, header.incompatible() & ~marks);
    }
  }

  private void writeWord(int at, long value) throws ImageException {
    DataBuffer word = DataBuffer.allocate(8, 8);
    word.bytes().putLong(0, value);
    file.write(at, word, 0, 8);
    file.sync();
  }
}
