package org.qcowfs.fuse.system;

/**
 * What a serving process says of its mount.
 *
 * @param pid the serving process
 * @param started when that process started, in clock ticks since the boot: tells it from a later
 *     process of the same number
 * @param image absolute path of the image
 * @param mountPoint absolute path
 * @param device the mount's {@code major:minor}
 * @param log where its log goes, in words
 */
public record MountRecord(
    long pid, String started, String image, String mountPoint, String device, String log) {

  /** Whether the serving process still runs: until then it may have the image open. */
  public boolean isServed() {
    ProcessStat stat = ProcessStat.of(pid);
    return stat != null && !stat.hasEnded() && Long.toString(stat.startTicks()).equals(started);
  }

  /** Whether a process of this number runs, be it a later one: the record is left to that. */
  boolean mayStillServe() {
    ProcessStat stat = ProcessStat.of(pid);
    return stat != null && !stat.hasEnded();
  }

  /** When process {@code pid} started, for {@link #started}; empty if there is none. */
  public static String startOf(long pid) {
    ProcessStat stat = ProcessStat.of(pid);
    return stat == null ? "" : Long.toString(stat.startTicks());
  }
}
