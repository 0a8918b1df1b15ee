package org.qcowfs.fuse.system;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;

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

  /** Whether the serving process still runs. */
  public boolean isServed() {
    return ProcessHandle.of(pid).filter(p -> startOf(p).equals(started)).isPresent() && !isZombie();
  }

  /** Whether it ended, and only its parent has not asked yet how. */
  private boolean isZombie() {
    try {
      // pid (name) state ...
      String stat = Files.readString(Path.of("/proc", Long.toString(pid), "stat"));
      return stat.startsWith("Z", stat.lastIndexOf(')') + 2);
    } catch (IOException e) {
      return true;
    }
  }

  /** When {@code process} started; empty where the system does not tell. */
  public static String startOf(ProcessHandle process) {
    return process.info().startInstant().map(Instant::toString).orElse("");
  }
}
