package org.qcowfs.engine.qcow2.check;

import java.util.List;

/**
 * Findings of one cause, and what of which disk they affect.
 *
 * @param cause what is wrong and what that means, one sentence
 * @param count how many findings
 * @param affected the disks with something affected; empty if nothing is
 */
public record Explanation(String cause, long count, List<Affected> affected) {
  /** Guest bytes from {@code start} on. */
  public record Range(long start, long length) {}

  /**
   * What of one disk is affected.
   *
   * @param snapshot "id (name)" of the snapshot, or empty for the disk itself
   * @param ranges the first ranges, in order
   * @param moreRanges how many more there are
   */
  public record Affected(String snapshot, List<Range> ranges, long moreRanges) {}
}
