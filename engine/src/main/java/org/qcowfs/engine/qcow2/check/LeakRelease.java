package org.qcowfs.engine.qcow2.check;

import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.refcount.RefcountWidth;

/**
 * Sets the refcounts to 0, in place, of clusters that nothing uses; all other refcounts are right.
 *
 * <p>A crash leaves some of them leaked, and each count as it was or 0.
 */
final class LeakRelease {
  private LeakRelease() {}

  /** Tells {@code blocks} the host offset of each refcount block that {@link #run} would change. */
  static void plan(Checker checker, LongConsumer blocks) throws ImageException {
    go(checker, null, blocks);
  }

  /** Sets the leaked clusters free that a finished check has found. */
  static void run(HostFile file, Checker checker) throws ImageException {
    go(checker, file, block -> {});
    file.sync();
  }

  private static void go(Checker checker, @Nullable HostFile file, LongConsumer blocks)
      throws ImageException {
    StoredRefcounts stored = checker.stored();
    if (stored == null) {
      return;
    }
    ExpectedRefcounts counts = checker.expected();
    RefcountWidth width = stored.width();
    long perBlock = stored.countsPerBlock();
    for (long index = 0; index * perBlock < counts.clusters(); index++) {
      DataBuffer block = stored.block(index);
      if (block == null) {
        continue;
      }
      boolean changed = false;
      long first = index * perBlock;
      long last = Math.min(counts.clusters(), first + perBlock);
      for (long cluster = first; cluster < last; cluster++) {
        int at = (int) (cluster - first);
        if (width.get(block.bytes(), at) != 0 && counts.count(cluster) == 0) {
          if (file == null) {
            changed = true;
            break;
          }
          width.set(block.bytes(), at, 0);
          changed = true;
        }
      }
      if (changed) {
        blocks.accept(stored.offset(index));
        if (file != null) {
          file.write(stored.offset(index), block, 0, block.capacity());
        }
      }
    }
  }
}
