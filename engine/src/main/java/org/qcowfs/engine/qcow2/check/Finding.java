package org.qcowfs.engine.qcow2.check;

/**
 * One thing a check found.
 *
 * @param kind what is wrong
 * @param structure where it is recorded, as "L2 table" or "snapshot table"
 * @param hostOffset the host offset of what is wrong, or {@link #NONE}
 * @param guestOffset the guest offset of the active disk that it affects, or {@link #NONE}
 * @param expected what should be recorded, unsigned; 0 where that is not a number
 * @param actual what is recorded, unsigned
 * @param times how often it counts: as often as a shared table is used
 * @param text one line, as {@code qemu-img check} says it
 */
public record Finding(
    Kind kind,
    String structure,
    long hostOffset,
    long guestOffset,
    long expected,
    long actual,
    long times,
    String text) {
  /** No such offset. */
  public static final long NONE = -1;

  /** How bad a finding is. */
  public enum Severity {
    /** Data may be lost, or further writes may lose some. */
    CORRUPTION,
    /** Space is wasted. */
    LEAK,
    /** Something could not be examined. */
    CHECK_ERROR
  }

  /** What can be wrong. */
  public enum Kind {
    BEYOND_END(Severity.CORRUPTION),
    REFCOUNT_OVERFLOW(Severity.CORRUPTION),
    REFCOUNT_TOO_LOW(Severity.CORRUPTION),
    REFCOUNT_TOO_HIGH(Severity.LEAK),
    REFCOUNT_UNREADABLE(Severity.CHECK_ERROR),
    REFCOUNT_BLOCK(Severity.CORRUPTION),
    L1_ENTRY(Severity.CORRUPTION),
    L2_ENTRY(Severity.CORRUPTION),
    COPIED_FLAG(Severity.CORRUPTION),
    COMPRESSED_DATA(Severity.CORRUPTION),
    SNAPSHOT(Severity.CORRUPTION),
    SNAPSHOT_TABLE_UNREADABLE(Severity.CHECK_ERROR),
    BITMAP(Severity.CORRUPTION),
    UNREADABLE(Severity.CHECK_ERROR);

    private final Severity severity;

    Kind(Severity severity) {
      this.severity = severity;
    }

    public Severity severity() {
      return severity;
    }
  }
}
