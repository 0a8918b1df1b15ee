package org.qcowfs.engine.qcow2.check;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
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
   * @param actions what was done, or would be, one line each
   * @param corruptionsFixed corruptions that are gone, without flags that only a wrong refcount
   *     made wrong
   */
  public record Outcome(
      CheckResult before,
      CheckResult after,
      @Nullable String refusal,
      List<String> actions,
      long corruptionsFixed) {

    /** Leaks that are gone. */
    public long leaksFixed() {
      return Math.max(0, before.leaks() - after.leaks());
    }

    private static Outcome refused(CheckResult before, String why) {
      return new Outcome(before, before, why, List.of(), 0);
    }

    private static Outcome nothing(CheckResult before) {
      return new Outcome(before, before, null, List.of(), 0);
    }
  }

  private static final int SECTOR = 512;

  private final HostFile file;
  private final RepairPlan plan;
  private final Consumer<Finding> findings;
  private final Map<Kind, Long> kinds = new EnumMap<>(Kind.class);
  private final List<String> actions = new ArrayList<>();
  private long firstBeyondEnd = Long.MAX_VALUE;
  private boolean leaksInUse;
  private long flagsFound;
  private long flagsMended;
  private boolean told;

  private Repair(HostFile file, RepairPlan plan, Consumer<Finding> findings) {
    this.file = file;
    this.plan = plan;
    this.findings = findings;
  }

  /** As {@link #run(HostFile, RepairPlan, Consumer)}, at once and without a backup. */
  public static Outcome run(HostFile file, Scope scope, Consumer<Finding> findings)
      throws ImageException {
    return run(file, RepairPlan.of(scope), findings);
  }

  /**
   * Checks an image, and repairs it where that is needed and safe.
   *
   * @param file open, for writing unless the plan is only to say what would be done; stays open
   * @param findings told of each finding before the repair
   * @throws ImageException if it is no qcow2 image, or writing failed
   */
  public static Outcome run(HostFile file, RepairPlan plan, Consumer<Finding> findings)
      throws ImageException {
    Repair repair = new Repair(file, plan, findings);
    Outcome outcome = repair.run();
    repair.tellFlags(outcome);
    return outcome;
  }

  /** Tells the flags that were held back, if they are as they were. */
  private void tellFlags(Outcome outcome) throws ImageException {
    if (flagsFound > 0 && !told && outcome.before() == outcome.after()) {
      Checker checker =
          Checker.open(
              file,
              finding -> {
                if (finding.kind() == Kind.COPIED_FLAG) {
                  findings.accept(finding);
                }
              });
      checker.run();
    }
  }

  /** Says what is about to be mended. */
  private void tell(RepairWords words, CheckResult before, boolean flags) throws ImageException {
    flagsMended = words.tell(before.refcountsUnusable() && refcountsWrong(), flags);
    told = true;
  }

  /**
   * Puts back what a repair with a backup has changed.
   *
   * @return what was done, in one line
   * @throws ImageException kind {@code REFUSED} if the backup is not of the image as it is now
   */
  public static String undo(HostFile file, HostFile backup) throws ImageException {
    return UndoFile.undo(file, backup);
  }

  private Outcome run() throws ImageException {
    Checker checker = Checker.open(file, this::take);
    CheckResult before = checker.run();
    String refusal = refusal(checker, before);
    if (refusal != null) {
      return Outcome.refused(before, refusal);
    }
    if (!mendable() && !checker.emptyEntries()) {
      return has(Kind.REFCOUNT_TOO_HIGH)
          ? freeLeaks(checker, before)
          : unmark(checker.header(), before);
    }
    refusal = rebuildRefusal(checker);
    if (refusal != null) {
      return Outcome.refused(before, refusal);
    }
    if (checker.emptyEntries()) {
      // What a check has found in the header, taken for an L2 table, is no fault of the image.
      kinds.clear();
      firstBeyondEnd = Long.MAX_VALUE;
      leaksInUse = false;
      checker = Checker.open(file, checker.header(), true, this::note);
      checker.run();
    }
    return rebuild(checker, before);
  }

  private Outcome rebuild(Checker checker, CheckResult before) throws ImageException {
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
        again.run();
        return has(Kind.REFCOUNT_TOO_HIGH) ? freeLeaks(again, before) : Outcome.nothing(before);
      }
    } catch (ImageException e) {
      if (e.errno() != 0 || e.kind() == ErrorKind.IO) {
        throw e;
      }
      return Outcome.refused(before, e.detail());
    }
    actions.addAll(rebuild.actions());
    if (plan.dryRun()) {
      return new Outcome(before, before, null, actions, 0);
    }
    if (refcountsWrong() || flagsFound > 0 || has(Kind.REFCOUNT_TOO_HIGH)) {
      tell(RepairWords.of(checker, findings), before, true);
    }
    Rebuilt rebuilt = new Rebuilt(rebuild, before);
    plan.run(file, List.of(header()), rebuild.written(), rebuilt);
    CheckResult after = rebuilt.after;
    return after == null
        ? Outcome.refused(
            before, "what was made was no better than what is there; nothing was changed")
        : new Outcome(before, after, null, actions, fixed(before, after));
  }

  /** Writes what is planned, and has it checked before the header names it. */
  private final class Rebuilt implements RepairPlan.Change {
    /** Findings that new refcounts end. */
    private static final Set<Kind> REFCOUNTS =
        Set.of(
            Kind.REFCOUNT_OVERFLOW,
            Kind.REFCOUNT_TOO_LOW,
            Kind.REFCOUNT_TOO_HIGH,
            Kind.REFCOUNT_UNREADABLE,
            Kind.REFCOUNT_BLOCK);

    private final Rebuild rebuild;
    private final CheckResult before;
    private @Nullable CheckResult after;

    Rebuilt(Rebuild rebuild, CheckResult before) {
      this.rebuild = rebuild;
      this.before = before;
    }

    @Override
    public void run() throws ImageException {
      rebuild.write();
      boolean better = false;
      CheckResult result;
      try {
        Map<Kind, Long> left = new EnumMap<>(Kind.class);
        result =
            Checker.open(
                    file, rebuild.header(), false, f -> left.merge(f.kind(), f.times(), Long::sum))
                .run();
        // Flags in a table that no reader accepts contradict refcounts whatever these are.
        better =
            result.failure() == null
                && result.corruptions() - left.getOrDefault(Kind.COPIED_FLAG, 0L)
                    <= before.corruptions() - kinds.getOrDefault(Kind.COPIED_FLAG, 0L)
                && result.checkErrors() <= before.checkErrors()
                && left.keySet().stream().noneMatch(REFCOUNTS::contains);
      } finally {
        if (!better) {
          rebuild.undo();
        }
      }
      if (better) {
        HeaderSwitch.write(file, rebuild.header(), clean(result));
        after = result;
      }
    }
  }

  private Outcome freeLeaks(Checker checker, CheckResult before) throws ImageException {
    List<UndoFile.Range> ranges = new ArrayList<>(List.of(header()));
    int blockBytes = 1 << checker.header().clusterBits();
    LeakRelease.plan(checker, block -> ranges.add(new UndoFile.Range(block, blockBytes)));
    actions.add(
        String.format(
            "set %d leaked clusters free in %d refcount blocks",
            before.leaks(), ranges.size() - 1));
    if (plan.dryRun()) {
      return new Outcome(before, before, null, actions, 0);
    }
    CheckResult[] after = {before};
    tell(new RepairWords(checker, findings), before, false);
    plan.run(
        file,
        ranges,
        new UndoFile.Append(0, 0),
        () -> {
          if (HeaderSwitch.foreign(checker.header())) {
            HeaderSwitch.write(file, checker.header(), false);
          }
          LeakRelease.run(file, checker);
          after[0] = Checker.check(file, f -> {});
          if (clean(after[0]) && HeaderSwitch.marked(checker.header())) {
            HeaderSwitch.write(file, checker.header(), true);
          }
        });
    return new Outcome(before, after[0], null, actions, fixed(before, after[0]));
  }

  /**
   * The image is not dirty nor corrupt any more, if that is true; and as for every writer, features
   * end that only who knows them may keep.
   */
  private Outcome unmark(Header header, CheckResult now) throws ImageException {
    boolean clean = clean(now);
    boolean marked = clean && HeaderSwitch.marked(header);
    boolean foreign = HeaderSwitch.foreign(header);
    if (marked) {
      actions.add("say in the header that the image is neither dirty nor corrupt");
    }
    if (foreign) {
      actions.add("clear unknown autoclear features in the header");
    }
    if (actions.isEmpty()) {
      return Outcome.nothing(now);
    }
    if (!plan.dryRun()) {
      plan.run(
          file,
          List.of(header()),
          new UndoFile.Append(0, 0),
          () -> HeaderSwitch.write(file, header, clean));
    }
    return new Outcome(now, now, null, actions, 0);
  }

  private UndoFile.Range header() throws ImageException {
    return new UndoFile.Range(0, (int) Math.min(SECTOR, file.length()));
  }

  private static boolean clean(CheckResult result) {
    return result.failure() == null && result.corruptions() == 0 && result.checkErrors() == 0;
  }

  // ------------------------------------------------------------------------------------- findings

  /** A wrong flag is told when it is known whether it is mended. */
  private void take(Finding finding) {
    if (finding.kind() == Kind.COPIED_FLAG) {
      flagsFound += finding.times();
    } else {
      findings.accept(finding);
    }
    note(finding);
  }

  /** Corruptions that are gone; a flag that a wrong refcount made wrong is none. */
  private long fixed(CheckResult before, CheckResult after) {
    return Math.max(0, before.corruptions() - flagsFound + flagsMended - after.corruptions());
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

  private @Nullable String refusal(Checker checker, CheckResult before) {
    if (before.failure() != null) {
      return before.failure();
    }
    if (plan.scope() == Scope.LEAKS && !clean(before)) {
      return "leaks are left as they are: the image has other faults, and what seems leaked may be"
          + " what they hide";
    }
    if (has(Kind.UNREADABLE)) {
      return "what cannot be read cannot be repaired";
    }
    if (!checker.counted(checker.header().l1Offset(), checker.header().l1Entries() * 8)) {
      return "the active L1 table is past the end of the file, and without it the whole disk would"
          + " seem unused";
    }
    return null;
  }

  private static @Nullable String rebuildRefusal(Checker checker) {
    if (checker.expected().tooManyExcessive()) {
      return "clusters are used more often than the image's refcounts can say; convert the image";
    }
    if (checker.tableCutOff()) {
      return "a table lies at the end of the file and is cut off there; what a repair writes behind"
          + " it would make it seem empty";
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

  /** Whether there is something that a rebuild might mend. */
  private boolean mendable() {
    return refcountsWrong()
        || has(Kind.COPIED_FLAG)
        || has(Kind.L1_ENTRY)
        || has(Kind.L2_ENTRY)
        || has(Kind.SNAPSHOT);
  }
}
