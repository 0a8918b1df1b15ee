package org.qcowfs.engine.qcow2.change;

import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.format.Geometry;

/** Makes an overlay empty, so that all of its disk comes from its backing file. */
public final class Qcow2Empty {
  private Qcow2Empty() {}

  /**
   * Empties the active disk of the image in {@code file}, which is open for writing and locked; its
   * snapshots stay.
   *
   * @throws ImageException if it cannot be done; the image is then as it was
   */
  public static void empty(HostFile file) throws ImageException {
    ImageEdit edit = ImageEdit.begin(file);
    try {
      long[] old = edit.activeL1();
      if (old.length == 0) {
        return;
      }
      long place = edit.allocateBytes(old.length * 8L);
      edit.writeWords(place, new long[old.length]);
      edit.next.l1Offset = place;
      edit.switchHeader();
      int step = 1 << edit.geometry.l2EntryWordBits();
      for (long entry : old) {
        if ((entry & Geometry.OFFSET_MASK) != 0) {
          long[] words = edit.readL2(entry);
          for (int i = 0; i < words.length; i += step) {
            edit.releaseData(words[i]);
          }
          edit.release(entry & Geometry.OFFSET_MASK, edit.clusterSize);
        }
      }
      edit.release(edit.header.l1Offset(), old.length * 8L);
      edit.finish();
    } catch (ImageException e) {
      edit.abandon(e);
      throw e;
    }
  }
}
