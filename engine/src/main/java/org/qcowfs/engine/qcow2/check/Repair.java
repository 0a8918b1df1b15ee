package org.qcowfs.engine.qcow2.check;

import java.util.EnumMap;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.check.Finding.Kind;
import org.qcowfs.engine.qcow2.format.Header;

/**
 * Repairs refcounts, COPIED flags, entries of L1 and L2 tables and the snapshot table; guest data
 * is neither moved nor changed.
 *
 * <p>Leaked clusters that nothing uses are set free in place. Everything else is made anew behind
 * the end of the file, checked there, and put in force by one write of the header ({@link Rebuild},
 * {@link HeaderSwitch}), so a crash at any moment leaves the image as it was or repaired.
 */
public final class Repair {
  /** What may be repaired. */
  public enum Scope {
    /** Only what wastes space, and only in an image without any other fault. */
    LEAKS,
    /** All that can be. */
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

  /** Findings that new refcounts end. */
  private static final Set<Kind> REFCOUNTS =
      Set.of(
          Kind.REFCOUNT_OVERFLOW,
          Kind.REFCOUNT_TOO_LOW,
          Kind.REFCOUNT_TOO_HIGH,
          Kind.REFCOUNT_UNREADABLE,
          Kind.REFCOUNT_BLOCK);

  private final HostFile file;
  private final Consumer<Finding> findings;
  private final Map<Kind, Long> kinds = new EnumMap<>(Kind.class);
  private long firstBeyondEnd = Long.MAX_VALUE;
  private boolean leaksInUse;
  private boolean l1Lost;

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
    l1Lost = !checker.counted(checker.header().l1Offset(), checker.header().l1Entries() * 8);
    String refusal = before.failure() != null ? before.failure() : refusal(scope, before);
    if (refusal != null) {
      return new Outcome(before, before, refusal);
    }
    if (onlyUnusedLeaks()) {
      return new Outcome(before, freeLeaks(checker), null);
    }
    if (!mendable() && !checker.emptyEntries()) {
      return new Outcome(before, unmark(checker.header(), before), null);
    }
    if (checker.expected().tooManyExcessive()) {
      return new Outcome(
          before,
          before,
          "clusters are used more often than the image's refcounts can say; convert the image");
    }
    if (checker.tableCutOff()) {
      return new Outcome(
          before,
          before,
          "a table lies at the end of the file and is cut off there; what a repair writes behind it"
              + " would make it seem empty");
    }
    if (checker.emptyEntries()) {
      // What a check has found in the header, taken for an L2 table, is no fault of the image.
      kinds.clear();
      firstBeyondEnd = Long.MAX_VALUE;
      leaksInUse = false;
      checker = Checker.open(file, checker.header(), true, this::note);
      checker.run();
    }
    Rebuild rebuild = new Rebuild(file, checker);
    try {
      boolean needed =
          rebuild.plan(
              refcountsWrong(),
              has(Kind.L1_ENTRY) || has(Kind.L2_ENTRY),
              checker.incompleteSnapshots(),
              firstBeyondEnd);
      if (!needed) {
        // The plan has changed the counts; the leaks beside what cannot be mended are counted anew.
        Checker again = Checker.open(file, finding -> {});
        return new Outcome(before, has(Kind.REFCOUNT_TOO_HIGH) ? again(again) : before, null);
      }
    } catch (ImageException e) {
      if (e.errno() != 0 || e.kind() == ErrorKind.IO) {
        throw e;
      }
      return new Outcome(before, before, e.detail());
    }
    return rebuilt(rebuild, before);
  }

  private CheckResult again(Checker checker) throws ImageException {
    checker.run();
    return freeLeaks(checker);
  }

  /** Writes what is planned, and has it checked before the header names it. */
  private Outcome rebuilt(Rebuild rebuild, CheckResult before) throws ImageException {
    rebuild.write();
    Map<Kind, Long> left = new EnumMap<>(Kind.class);
    CheckResult after;
    boolean better = false;
    try {
      after =
          Checker.open(
                  file, rebuild.header(), false, f -> left.merge(f.kind(), f.times(), Long::sum))
              .run();
      better =
          after.failure() == null
              && after.corruptions() <= before.corruptions()
              && after.checkErrors() <= before.checkErrors()
              && left.keySet().stream().noneMatch(REFCOUNTS::contains);
    } finally {
      if (!better) {
        rebuild.undo();
      }
    }
    if (!better) {
      return new Outcome(
          before, before, "what was made was no better than what is there; nothing was changed");
    }
    HeaderSwitch.write(file, rebuild.header(), clean(after));
    return new Outcome(before, after, null);
  }

  private CheckResult freeLeaks(Checker checker) throws ImageException {
    if (HeaderSwitch.foreign(checker.header())) {
      HeaderSwitch.write(file, checker.header(), false);
    }
    LeakRelease.run(file, checker);
    return unmark(checker.header(), Checker.check(file, f -> {}));
  }

  /** The image is not dirty nor corrupt any more, if that is true. */
  private CheckResult unmark(Header header, CheckResult now) throws ImageException {
    if (clean(now) && HeaderSwitch.marked(header)) {
      HeaderSwitch.write(file, header, true);
    }
    return now;
  }

  private static boolean clean(CheckResult result) {
    return result.failure() == null && result.corruptions() == 0 && result.checkErrors() == 0;
  }

  // ------------------------------------------------------------------------------------- findings

  private void take(Finding finding) {
    findings.accept(finding);
    note(finding);
  }

  private void note(Finding finding) {
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
    if (scope == Scope.LEAKS && !clean(before)) {
      return "leaks are left as they are: the image has other faults, and what seems leaked may be"
          + " what they hide";
    }
    if (has(Kind.UNREADABLE)) {
      return "what cannot be read cannot be repaired";
    }
    if (l1Lost) {
      return "the active L1 table is past the end of the file, and without it the whole disk would"
          + " seem unused";
    }
    return null;
  }

  /** Whether new refcounts are needed, which leaks that nothing uses are no reason for. */
  private boolean refcountsWrong() {
    return has(Kind.REFCOUNT_TOO_LOW)
        || has(Kind.REFCOUNT_UNREADABLE)
        || has(Kind.REFCOUNT_BLOCK)
        || has(Kind.REFCOUNT_OVERFLOW)
        || leaksInUse;
  }

  private boolean mendable() {
    return refcountsWrong()
        || has(Kind.REFCOUNT_TOO_HIGH)
        || has(Kind.COPIED_FLAG)
        || has(Kind.L1_ENTRY)
        || has(Kind.L2_ENTRY)
        || has(Kind.SNAPSHOT);
  }

  private boolean onlyUnusedLeaks() {
    return has(Kind.REFCOUNT_TOO_HIGH)
        && !refcountsWrong()
        && !has(Kind.COPIED_FLAG)
        && !has(Kind.L1_ENTRY)
        && !has(Kind.L2_ENTRY)
        && !has(Kind.SNAPSHOT);
  }
}
