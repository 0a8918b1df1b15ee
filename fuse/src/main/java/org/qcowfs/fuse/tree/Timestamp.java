package org.qcowfs.fuse.tree;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Instant;

/**
 * A point in time as a file has it.
 *
 * @param seconds since the epoch
 * @param nanos within that second
 */
public record Timestamp(long seconds, int nanos) {
  /**
   * The modification time of a host file; now if it has no name any more, as a temporary overlay;
   * the epoch if it cannot be asked.
   */
  static Timestamp ofFile(String path) {
    try {
      return of(Files.getLastModifiedTime(Path.of(path)).toInstant());
    } catch (NoSuchFileException e) {
      return of(Instant.now());
    } catch (IOException | RuntimeException e) {
      return new Timestamp(0, 0);
    }
  }

  private static Timestamp of(Instant instant) {
    return new Timestamp(instant.getEpochSecond(), instant.getNano());
  }
}
