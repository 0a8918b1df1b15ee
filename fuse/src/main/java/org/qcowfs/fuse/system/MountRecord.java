package org.qcowfs.fuse.system;

import java.time.Instant;
import java.util.Optional;

/**
 * What a serving process says of its mount.
 *
 * @param pid the serving process
 * @param started when that process started, as {@code ProcessHandle} tells it: tells it from a
 *     later process of the same number
 * @param image absolute path of the image
 * @param mountPoint absolute path
 * @param device the mount's {@code major:minor}
 * @param log where its log goes, in words
 */
public record MountRecord(
    long pid, String started, String image, String mountPoint, String device, String log) {

  /** The serving process, if it still runs. */
  public Optional<ProcessHandle> process() {
    return ProcessHandle.of(pid).filter(process -> startOf(process).equals(started));
  }

  /** When {@code process} started; empty where the system does not tell. */
  public static String startOf(ProcessHandle process) {
    return process.info().startInstant().map(Instant::toString).orElse("");
  }
}
