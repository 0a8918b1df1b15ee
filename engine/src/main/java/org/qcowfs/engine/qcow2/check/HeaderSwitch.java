package org.qcowfs.engine.qcow2.check;

import java.nio.ByteBuffer;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.format.Header;
import org.qcowfs.engine.qcow2.format.IncompatibleFeature;

/**
 * Puts other tables and feature bits in force with one write inside the file's first sector (rule
 * W4): bytes 40 to 71, and to 95 in version 3; version 2 has extensions there.
 */
final class HeaderSwitch {
  private static final int FIRST = 40;
  private static final int V2_END = 72;
  private static final int V3_END = 96;

  /** Autoclear features that a repair keeps true: bitmaps, raw data file. */
  private static final long AUTOCLEAR_KEPT = 3;

  private static final long MARKS =
      IncompatibleFeature.DIRTY.mask() | IncompatibleFeature.CORRUPT.mask();

  private HeaderSwitch() {}

  /** Whether the header says that the image is dirty or corrupt. */
  static boolean marked(Header header) {
    return (header.incompatible() & MARKS) != 0;
  }

  /** Whether there are features that a writer must end before its first write (rule W6). */
  static boolean foreign(Header header) {
    return (header.autoclear() & ~AUTOCLEAR_KEPT) != 0;
  }

  /**
   * Writes, and makes it durable.
   *
   * @param made a version of the file's own header
   * @param clean whether the image is neither dirty nor corrupt any more
   */
  static void write(HostFile file, Header made, boolean clean) throws ImageException {
    DataBuffer fields = DataBuffer.allocate(V3_END - FIRST, 8);
    ByteBuffer out = fields.bytes();
    out.putLong(0, made.l1Offset());
    out.putLong(8, made.refcountTableOffset());
    out.putInt(16, (int) made.refcountTableClusters());
    out.putInt(20, (int) made.snapshotCount());
    out.putLong(24, made.snapshotTableOffset());
    out.putLong(32, clean ? made.incompatible() & ~MARKS : made.incompatible());
    out.putLong(40, made.compatible());
    out.putLong(48, made.autoclear() & AUTOCLEAR_KEPT);
    file.write(FIRST, fields, 0, (made.version() >= 3 ? V3_END : V2_END) - FIRST);
    file.sync();
  }
}
