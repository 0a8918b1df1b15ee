package org.qcowfs.engine.qcow2.snapshot;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.model.SnapshotInfo;

/**
 * The snapshot table as bytes, entry by entry, so that what this program does not know in an entry
 * survives a change of the table.
 *
 * <p><b>Thread safety:</b> immutable.
 */
public final class RawSnapshotTable {
  private static final int FIXED_BYTES = 40;
  private static final int EXTRA_BYTES = 24;

  private final List<byte[]> entries;

  private RawSnapshotTable(List<byte[]> entries) {
    this.entries = entries;
  }

  /** Reads the entries of a table that {@link SnapshotTable} has read without fault. */
  public static RawSnapshotTable read(HostFile file, long hostOffset, int count)
      throws ImageException {
    List<byte[]> entries = new ArrayList<>();
    DataBuffer fixed = DataBuffer.allocate(FIXED_BYTES, 8);
    long at = hostOffset;
    for (int i = 0; i < count; i++) {
      file.read(at, fixed, 0, FIXED_BYTES);
      ByteBuffer in = fixed.bytes();
      long bytes =
          FIXED_BYTES
              + Integer.toUnsignedLong(in.getInt(36))
              + Short.toUnsignedInt(in.getShort(12))
              + Short.toUnsignedInt(in.getShort(14));
      DataBuffer entry = DataBuffer.allocate((int) (bytes + 7 & ~7L), 8);
      file.read(at, entry, 0, entry.capacity());
      byte[] copy = new byte[entry.capacity()];
      entry.bytes().get(0, copy);
      entries.add(copy);
      at += copy.length;
    }
    return new RawSnapshotTable(entries);
  }

  /** The table with one more snapshot at its end. */
  public RawSnapshotTable with(SnapshotInfo snapshot) throws ImageException {
    byte[] id = snapshot.id().getBytes(StandardCharsets.UTF_8);
    byte[] name = snapshot.name().getBytes(StandardCharsets.UTF_8);
    if (name.length > 0xffff) {
      throw new ImageException(
          ErrorKind.OUT_OF_BOUNDS, "snapshot", "Snapshot name is longer than 65535 bytes");
    }
    int length = FIXED_BYTES + EXTRA_BYTES + id.length + name.length + 7 & ~7;
    ByteBuffer entry = ByteBuffer.allocate(length);
    entry.putLong(0, snapshot.l1Offset()).putInt(8, snapshot.l1Entries());
    entry.putShort(12, (short) id.length).putShort(14, (short) name.length);
    entry.putInt(16, (int) snapshot.dateSeconds()).putInt(20, snapshot.dateNanos());
    entry.putLong(24, snapshot.vmClockNanos()).putInt(32, 0).putInt(36, EXTRA_BYTES);
    entry.putLong(40, snapshot.vmStateSize()).putLong(48, snapshot.diskSize());
    entry.putLong(56, snapshot.icount());
    entry.put(FIXED_BYTES + EXTRA_BYTES, id).put(FIXED_BYTES + EXTRA_BYTES + id.length, name);
    List<byte[]> more = new ArrayList<>(entries);
    more.add(entry.array());
    return new RawSnapshotTable(more);
  }

  /** The table without entry {@code index}. */
  public RawSnapshotTable without(int index) {
    List<byte[]> fewer = new ArrayList<>(entries);
    fewer.remove(index);
    return new RawSnapshotTable(fewer);
  }

  public int count() {
    return entries.size();
  }

  /** The whole table. */
  public byte[] bytes() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    entries.forEach(out::writeBytes);
    return out.toByteArray();
  }
}
