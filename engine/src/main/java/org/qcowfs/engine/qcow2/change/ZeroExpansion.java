package org.qcowfs.engine.qcow2.change;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.model.SnapshotInfo;
import org.qcowfs.engine.qcow2.format.Geometry;

/**
 * Replaces zero clusters, which version 2 does not have: by nothing where there is no backing file,
 * else by clusters full of zeroes.
 *
 * <p>Entries change in place, one write of 8 bytes each that reads as the same disk before and
 * after; what they name is durable before.
 */
final class ZeroExpansion {
  private static final int BATCH = 1024;

  private record Replacement(long entryOffset, long word) {}

  private final ImageEdit edit;
  private final Set<Long> seen = new HashSet<>();
  private final List<Replacement> batch = new ArrayList<>();
  private final List<long[]> freed = new ArrayList<>();
  private final DataBuffer zeroes;

  ZeroExpansion(ImageEdit edit) {
    this.edit = edit;
    this.zeroes = DataBuffer.allocate((int) edit.clusterSize);
  }

  /** Replaces the zero clusters of the disk and of all snapshots. */
  void run() throws ImageException {
    table(edit.activeL1());
    for (SnapshotInfo snapshot : edit.snapshots.snapshots()) {
      table(edit.readWords(snapshot.l1Offset(), Integer.toUnsignedLong(snapshot.l1Entries())));
    }
    apply();
  }

  private void table(long[] l1) throws ImageException {
    for (long entry : l1) {
      long l2 = entry & Geometry.OFFSET_MASK;
      if (l2 == 0 || !seen.add(l2)) {
        continue;
      }
      long[] words = edit.readL2(entry);
      long references = edit.refcounts.get(l2);
      for (int i = 0; i < words.length; i++) {
        if ((words[i] & (Geometry.COMPRESSED | Geometry.ZERO)) == Geometry.ZERO) {
          replace(l2 + i * 8L, words[i], references);
        }
      }
    }
  }

  private void replace(long entryOffset, long word, long references) throws ImageException {
    long now = 0;
    if (edit.header.backingName() != null) {
      long host = edit.allocate(1);
      edit.file.write(host, zeroes, 0, zeroes.capacity());
      if (references > 1) {
        edit.refcounts.change(host, edit.clusterSize, (int) references - 1);
      }
      now = host | (references == 1 ? Geometry.COPIED : 0);
    }
    batch.add(new Replacement(entryOffset, now));
    if ((word & Geometry.OFFSET_MASK) != 0) {
      freed.add(new long[] {word & Geometry.OFFSET_MASK, references});
    }
    if (batch.size() >= BATCH) {
      apply();
    }
  }

  private void apply() throws ImageException {
    edit.writeRefcounts();
    edit.sync();
    edit.keepAllocated(); // the first entry written may name them
    DataBuffer word = DataBuffer.allocate(8, 8);
    for (Replacement replacement : batch) {
      word.bytes().putLong(0, replacement.word);
      edit.file.write(replacement.entryOffset, word, 0, 8);
    }
    edit.sync();
    batch.clear();
    for (long[] old : freed) {
      for (long i = 0; i < old[1]; i++) {
        edit.release(old[0], edit.clusterSize);
      }
    }
    freed.clear();
  }
}
