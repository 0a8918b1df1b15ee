package org.qcowfs.engine.fuzz;

import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.qcow2.Qcow2Opener;
import org.qcowfs.engine.qcow2.bitmap.BitmapDirectory;
import org.qcowfs.engine.qcow2.format.Header;
import org.qcowfs.engine.qcow2.snapshot.SnapshotTable;
import org.qcowfs.engine.testing.MemoryContent;
import org.qcowfs.engine.testing.MemoryHostFile;

/** The bytes are a file: its header, extensions, snapshot table and bitmap directory. */
public final class HeaderTarget {
  private HeaderTarget() {}

  /** Reads {@code input}. */
  public static void fuzzerTestOneInput(byte[] input) {
    MemoryHostFile file = new MemoryHostFile("input", MemoryContent.of(input), false);
    try {
      Header header = Qcow2Opener.readHeader(file);
      Text.harmless(SnapshotTable.read(file, header).fault());
      Text.harmless(BitmapDirectory.read(file, header).fault());
    } catch (ImageException e) {
      Text.harmless(e.getMessage());
    }
  }
}
