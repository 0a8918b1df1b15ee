package org.qcowfs.engine.qcow2.check;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.qcow2.format.FormatLimits;
import org.qcowfs.engine.qcow2.format.Geometry;
import org.qcowfs.engine.qcow2.format.Header;

/**
 * The snapshot table as far as a check needs it: where each L1 table is.
 *
 * @param entries what the table's entries name
 * @param bytes the table's length in bytes
 * @param incomplete entries without the extra data that version 3 demands, by index
 * @param fault why the table cannot be read, or null
 */
record SnapshotReferences(
    List<Entry> entries, long bytes, List<Integer> incomplete, @Nullable String fault) {
  static final int FIXED_BYTES = 40;

  /** QEMU's QCOW_MAX_SNAPSHOT_EXTRA_DATA. */
  private static final long MAX_EXTRA_BYTES = 1024;

  /** Through disk_size (spec: mandatory in version 3). */
  static final long MANDATORY_EXTRA_BYTES = 16;

  /**
   * One snapshot.
   *
   * @param hostOffset where the table's entry is
   * @param extraBytes its extra data; id and name are behind that
   */
  record Entry(
      long hostOffset, long l1Offset, long l1Entries, int extraBytes, int idBytes, int nameBytes) {
    /** Bytes of the entry, without padding. */
    int bytes() {
      return FIXED_BYTES + extraBytes + idBytes + nameBytes;
    }

    /** Its id and name, safe to print, as "1 (name)". */
    String label(CheckedFile file) throws ImageException {
      DataBuffer bytes = DataBuffer.allocate(Math.max(1, idBytes + nameBytes), 8);
      file.read(hostOffset + FIXED_BYTES + extraBytes, bytes, idBytes + nameBytes);
      byte[] text = new byte[idBytes + nameBytes];
      bytes.bytes().get(0, text);
      return Escape.text(new String(text, 0, idBytes, StandardCharsets.UTF_8))
          + " ("
          + Escape.text(new String(text, idBytes, nameBytes, StandardCharsets.UTF_8))
          + ")";
    }
  }

  static SnapshotReferences read(CheckedFile file, Header header, Geometry geometry)
      throws ImageException {
    long count = header.snapshotCount();
    long start = header.snapshotTableOffset();
    if (count > FormatLimits.MAX_SNAPSHOTS) {
      return failed("snapshot table too large");
    }
    if (start < 0
        || start > Long.MAX_VALUE - count * FIXED_BYTES
        || geometry.inCluster(start) != 0) {
      return failed("snapshot table offset invalid");
    }
    List<Entry> entries = new ArrayList<>();
    List<Integer> incomplete = new ArrayList<>();
    DataBuffer fixed = DataBuffer.allocate(FIXED_BYTES, 8);
    long at = start;
    for (int i = 0; i < count; i++) {
      at = at + 7 & ~7L;
      file.read(at, fixed, FIXED_BYTES);
      long extra = Integer.toUnsignedLong(fixed.bytes().getInt(36));
      if (extra > MAX_EXTRA_BYTES) {
        return failed(
            "failed to read the snapshot table: Too much extra metadata in snapshot table entry "
                + i);
      }
      if (header.version() >= 3 && extra < MANDATORY_EXTRA_BYTES) {
        incomplete.add(i);
      }
      int idBytes = Short.toUnsignedInt(fixed.bytes().getShort(12));
      int nameBytes = Short.toUnsignedInt(fixed.bytes().getShort(14));
      entries.add(
          new Entry(
              at,
              fixed.bytes().getLong(0),
              Integer.toUnsignedLong(fixed.bytes().getInt(8)),
              (int) extra,
              idBytes,
              nameBytes));
      at += FIXED_BYTES + extra + idBytes + nameBytes;
      if (at - start > FormatLimits.MAX_SNAPSHOT_TABLE_BYTES) {
        return failed("failed to read the snapshot table: Snapshot table is too big");
      }
    }
    return new SnapshotReferences(entries, at - start, incomplete, null);
  }

  private static SnapshotReferences failed(String fault) {
    return new SnapshotReferences(List.of(), 0, List.of(), fault);
  }
}
