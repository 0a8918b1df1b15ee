package org.qcowfs.fuse.tree;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;

/**
 * A point in time as a file has it.
 *
 * @param seconds since the epoch
 * @param nanos within that second
 */
public record Timestamp(long seconds, int nanos) {
  /** The modification time of a host file; the epoch if it cannot be asked. */
  static Timestamp ofFile(String path) {
    try {
      Instant instant = Files.getLastModifiedTime(Path.of(path)).toInstant();
      return new Timestamp(instant.getEpochSecond(), instant.getNano());
    } catch (IOException | RuntimeException e) {
      return new Timestamp(0, 0);
    }
  }
}
