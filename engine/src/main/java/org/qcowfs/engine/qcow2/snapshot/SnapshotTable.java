package org.qcowfs.engine.qcow2.snapshot;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.model.SnapshotInfo;
import org.qcowfs.engine.qcow2.format.FormatLimits;
import org.qcowfs.engine.qcow2.format.Header;

/**
 * The snapshot table (spec: "Snapshots"): entries one after another, each padded to 8 bytes.
 *
 * <pre>
 *   0 L1 offset u64   8 L1 entries u32   12 id length u16   14 name length u16   16 seconds u32
 *   20 nanoseconds u32   24 guest run time ns u64   32 VM state bytes u32   36 extra length u32
 *   40 extra data: 0 VM state bytes u64, 8 disk size u64, 16 icount u64; then id, name, padding
 * </pre>
 *
 * @param snapshots what could be read, in table order
 * @param bytes host bytes the entries read occupy
 * @param fault why reading stopped early, or null
 */
public record SnapshotTable(List<SnapshotInfo> snapshots, long bytes, @Nullable String fault) {
  private static final int FIXED_BYTES = 40;
  private static final int KNOWN_EXTRA_BYTES = 24;

  /** Text kept of all ids and names together; a table full of 64 KiB names must not fill memory. */
  private static final long MAX_TEXT_BYTES = 8L << 20;

  /** Reads the table a valid {@code header} names, as far as that is possible. */
  public static SnapshotTable read(HostFile file, Header header) {
    List<SnapshotInfo> snapshots = new ArrayList<>();
    long count = header.snapshotCount();
    long start = header.snapshotTableOffset();
    if (count == 0) {
      return new SnapshotTable(snapshots, 0, null);
    }
    if (count > FormatLimits.MAX_SNAPSHOTS) {
      return new SnapshotTable(
          snapshots,
          0,
          "Snapshot table too large (header, nb_snapshots at 0x3c is "
              + count
              + "; expected at most "
              + FormatLimits.MAX_SNAPSHOTS
              + ")");
    }
    if (start < header.clusterSize() || (start & header.clusterSize() - 1) != 0) {
      return new SnapshotTable(
          snapshots,
          0,
          String.format(
              "Snapshot table offset invalid (header, snapshots_offset at 0x40 is 0x%x; expected a"
                  + " multiple of the cluster size %d)",
              start, header.clusterSize()));
    }
    Cursor in = new Cursor(file, start);
    long text = 0;
    String fault = null;
    try {
      for (int i = 0; i < count && fault == null; i++) {
        if (!in.has(FIXED_BYTES)) {
          fault = entryFault(i, "is past the end of the file");
          break;
        }
        long extraLength = Integer.toUnsignedLong(in.getInt(36));
        int idLength = Short.toUnsignedInt(in.getShort(12));
        int nameLength = Short.toUnsignedInt(in.getShort(14));
        long entryBytes = FIXED_BYTES + extraLength + idLength + nameLength;
        text += idLength + nameLength;
        if (in.at() + entryBytes - start > FormatLimits.MAX_SNAPSHOT_TABLE_BYTES) {
          fault =
              entryFault(
                  i,
                  "reaches past the largest table of "
                      + FormatLimits.MAX_SNAPSHOT_TABLE_BYTES
                      + " bytes (extra data size at 0x24 is "
                      + extraLength
                      + ")");
        } else if (text > MAX_TEXT_BYTES) {
          fault = entryFault(i, "brings ids and names to more than " + MAX_TEXT_BYTES + " bytes");
        } else {
          SnapshotInfo read = entry(in, i, header, extraLength, idLength, nameLength);
          if (read == null) {
            fault = entryFault(i, "is incomplete: the file ends within it");
          } else {
            snapshots.add(read);
            in.skip(entryBytes + 7 & ~7L);
          }
        }
      }
    } catch (ImageException e) {
      fault = "snapshot table: " + e.detail(); // it must not keep the disk from being read
    }
    return new SnapshotTable(List.copyOf(snapshots), in.at() - start, fault);
  }

  private static @Nullable SnapshotInfo entry(
      Cursor in, int index, Header header, long extraLength, int idLength, int nameLength)
      throws ImageException {
    long l1Offset = in.getLong(0);
    long l1Entries = Integer.toUnsignedLong(in.getInt(8));
    long seconds = Integer.toUnsignedLong(in.getInt(16));
    int nanos = in.getInt(20);
    long vmClock = in.getLong(24);
    long vmState = Integer.toUnsignedLong(in.getInt(32));
    long diskSize = header.size();
    long icount = -1;
    int known = (int) Math.min(extraLength, KNOWN_EXTRA_BYTES);
    if (!in.has(FIXED_BYTES + known)) {
      return null;
    }
    if (known >= 8) {
      vmState = in.getLong(FIXED_BYTES);
    }
    if (known >= 16) {
      diskSize = in.getLong(FIXED_BYTES + 8);
    }
    if (known >= 24) {
      icount = in.getLong(FIXED_BYTES + 16);
    }
    Cursor names = new Cursor(in.file(), in.at() + FIXED_BYTES + extraLength);
    if (!names.has(idLength + nameLength)) {
      return null;
    }
    return new SnapshotInfo(
        index,
        names.text(0, idLength),
        names.text(idLength, nameLength),
        seconds,
        nanos,
        vmClock,
        vmState,
        diskSize,
        icount,
        l1Offset,
        (int) Math.min(Integer.MAX_VALUE, l1Entries));
  }

  private static String entryFault(int index, String wrong) {
    return "snapshot table entry " + index + " " + wrong;
  }

  /** A window of the file, read as far as asked for and no further. */
  private static final class Cursor {
    private final HostFile file;
    private long at;
    private DataBuffer buffer = DataBuffer.allocate(FIXED_BYTES + KNOWN_EXTRA_BYTES, 8);
    private int present;

    Cursor(HostFile file, long at) {
      this.file = file;
      this.at = at;
    }

    HostFile file() {
      return file;
    }

    long at() {
      return at;
    }

    void skip(long bytes) {
      at += bytes;
      present = 0;
    }

    /** Whether the file has {@code bytes} (at most 128 KiB) from here on. */
    boolean has(int bytes) throws ImageException {
      if (present < bytes) {
        if (buffer.capacity() < bytes) {
          buffer = DataBuffer.allocate(bytes, 8);
        }
        present = file.read(at, buffer, 0, bytes);
      }
      return present >= bytes;
    }

    short getShort(int i) {
      return buffer.bytes().getShort(i);
    }

    int getInt(int i) {
      return buffer.bytes().getInt(i);
    }

    long getLong(int i) {
      return buffer.bytes().getLong(i);
    }

    String text(int i, int length) {
      byte[] text = new byte[length];
      buffer.bytes().get(i, text);
      return new String(text, StandardCharsets.UTF_8);
    }
  }
}
