package org.qcowfs.engine.qcow2.change;

import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.format.Geometry;

/** Makes an overlay empty, so that all of its disk comes from its backing file. */
public final class Qcow2Empty {
  private Qcow2Empty() {}

  /**
   * Empties the active disk of the image in {@code file}, which is open for writing and locked; its
   * snapshots stay. All that the disk shows must be durable in the backing file: then it shows the
   * same with any part of its L1 table cleared, and no other table needs room.
   *
   * @throws ImageException if it cannot be done; the disk shows the same
   */
  public static void empty(HostFile file) throws ImageException {
    ImageEdit edit = ImageEdit.begin(file);
    try {
      long[] old = edit.activeL1();
      if (old.length == 0) {
        return;
      }
      requireOwnL1(edit);
      edit.writeWords(edit.header.l1Offset(), new long[old.length]);
      edit.sync(); // rule W2
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
      edit.releaseRefcountBlocks();
      edit.finish();
    } catch (ImageException e) {
      edit.abandon(e);
      throw e;
    }
  }

  /** A table that a snapshot uses too is not cleared. */
  private static void requireOwnL1(ImageEdit edit) throws ImageException {
    long start = edit.header.l1Offset();
    for (long at = start; at < start + edit.header.l1Entries() * 8; at += edit.clusterSize) {
      long refcount = edit.refcounts.get(at);
      if (refcount != 1) {
        throw ImageException.corrupt(
            edit.file.path(),
            String.format(
                "the refcount of the active L1 table at host offset 0x%x is %d, expected 1; repair"
                    + " the image first",
                at, refcount));
      }
    }
  }
}
