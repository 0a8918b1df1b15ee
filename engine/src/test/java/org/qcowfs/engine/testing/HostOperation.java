package org.qcowfs.engine.testing;

import java.util.Objects;

/**
 * One change of a host file, or one sync of it.
 *
 * @param path the file
 * @param kind what was done
 * @param offset first byte; for {@code TRUNCATE} the new length
 * @param length bytes
 * @param data what was written, empty for all but {@code WRITE}
 */
@SuppressWarnings("ArrayRecordComponent") // never compared
public record HostOperation(String path, Kind kind, long offset, long length, byte[] data) {
  /** What can be done to a file. */
  public enum Kind {
    WRITE,
    TRUNCATE,
    ALLOCATE,
    ZERO_RANGE,
    PUNCH_HOLE,
    SYNC
  }

  public HostOperation {
    Objects.requireNonNull(path);
  }

  /** Does it to {@code content}; a sync changes nothing. */
  public void applyTo(MemoryContent content) {
    switch (kind) {
      case WRITE -> content.write(offset, data);
      case TRUNCATE -> content.truncate(offset);
      case ALLOCATE -> content.allocate(offset, length);
      case ZERO_RANGE -> {
        content.allocate(offset, length);
        content.zero(offset, length, false);
      }
      case PUNCH_HOLE -> content.zero(offset, length, true);
      case SYNC -> {}
    }
  }

  @Override
  public String toString() {
    String name = path.substring(path.lastIndexOf('/') + 1);
    return switch (kind) {
      case SYNC -> "SYNC " + name;
      case TRUNCATE -> String.format("TRUNCATE %s to 0x%x", name, offset);
      default -> String.format("%s %s 0x%x+0x%x", kind, name, offset, length);
    };
  }
}
