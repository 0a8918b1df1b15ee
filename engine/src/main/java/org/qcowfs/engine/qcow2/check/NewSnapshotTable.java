package org.qcowfs.engine.qcow2.check;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.qcow2.check.Checker.L1Table;
import org.qcowfs.engine.qcow2.format.FormatLimits;
import org.qcowfs.engine.qcow2.format.Header;

/** The snapshot table with other L1 offsets, and with the extra data that version 3 demands. */
final class NewSnapshotTable {
  private NewSnapshotTable() {}

  /**
   * The table's bytes.
   *
   * @param moved new host offsets of L1 tables
   */
  static byte[] bytes(
      CheckedFile input,
      Header header,
      List<SnapshotReferences.Entry> entries,
      Map<L1Table, Long> moved)
      throws ImageException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (SnapshotReferences.Entry entry : entries) {
      DataBuffer raw = DataBuffer.allocate(entry.bytes(), 8);
      input.read(entry.hostOffset(), raw, entry.bytes());
      byte[] old = new byte[entry.bytes()];
      raw.bytes().get(0, old);
      ByteBuffer made = header.version() >= 3 ? complete(old, entry, header) : ByteBuffer.wrap(old);
      Long to = moved.get(new L1Table(entry.l1Offset(), entry.l1Entries()));
      if (to != null) {
        made.putLong(0, to);
      }
      out.writeBytes(made.array());
      out.write(new byte[7], 0, -made.capacity() & 7);
      if (out.size() > FormatLimits.MAX_SNAPSHOT_TABLE_BYTES) {
        throw ImageException.corrupt(
            input.file().path(), "the new snapshot table would be too large");
      }
    }
    return out.toByteArray();
  }

  /**
   * The entry with at least 16 bytes of extra data: the size of the VM state and of the disk, which
   * QEMU takes from the old field and from the image where they are missing.
   */
  private static ByteBuffer complete(byte[] old, SnapshotReferences.Entry entry, Header header) {
    int mandatory = (int) SnapshotReferences.MANDATORY_EXTRA_BYTES;
    int extra = entry.extraBytes();
    if (extra >= mandatory) {
      return ByteBuffer.wrap(old);
    }
    int fixed = SnapshotReferences.FIXED_BYTES;
    ByteBuffer made = ByteBuffer.allocate(old.length - extra + mandatory);
    made.put(0, old, 0, fixed).putInt(36, mandatory);
    made.putLong(fixed, Integer.toUnsignedLong(ByteBuffer.wrap(old).getInt(32)));
    made.putLong(fixed + 8, header.size() & ~511L);
    made.put(fixed, old, fixed, extra >= 8 ? 8 : 0);
    made.put(fixed + mandatory, old, fixed + extra, old.length - fixed - extra);
    return made;
  }
}
