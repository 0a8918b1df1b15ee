package org.qcowfs.engine.host.storage;

import java.time.Instant;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.host.posix.FileStatus;

/**
 * What tells one state of a regular file from another without reading it: which file it is, its
 * length, and when its bytes were last changed. Its name, owner, rights and the time of the last
 * access may change.
 *
 * <p><b>Thread safety:</b> immutable.
 */
final class FilePrint {
  private final FileStatus status;

  FilePrint(FileStatus status) {
    this.status = status;
  }

  /** What is different in {@code now}, in words; null if nothing is. */
  @Nullable String difference(FileStatus now) {
    if (status.isBlockDevice()) {
      return null; // its length and times are not those of its bytes
    }
    if (now.device() != status.device() || now.inode() != status.inode()) {
      return "it is another file now (inode was "
          + Long.toUnsignedString(status.inode())
          + ", is "
          + Long.toUnsignedString(now.inode())
          + ")";
    }
    if (now.sizeBytes() != status.sizeBytes()) {
      return "its size was " + status.sizeBytes() + " bytes, is " + now.sizeBytes();
    }
    if (now.mtimeSeconds() != status.mtimeSeconds() || now.mtimeNanos() != status.mtimeNanos()) {
      return "it was written to (modification time was " + time(status) + ", is " + time(now) + ")";
    }
    return null;
  }

  private static String time(FileStatus status) {
    return Instant.ofEpochSecond(status.mtimeSeconds(), status.mtimeNanos()).toString();
  }
}
