package org.qcowfs.engine.qcow2.check;

import java.nio.ByteBuffer;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.qcow2.check.Finding.Kind;
import org.qcowfs.engine.qcow2.format.Geometry;
import org.qcowfs.engine.qcow2.refcount.RefcountWidth;

/**
 * Compares the refcounts that an image records with the uses that were counted.
 *
 * <p>First two threads look, each at half of the refcount blocks, for blocks without a difference;
 * then the others are gone through in order.
 *
 * <p>One use. <b>Thread safety:</b> none.
 */
final class RefcountComparison {
  /** Fewer clusters are not worth a thread. */
  private static final long FEW = 1 << 18;

  private static final char[] UNUSED = new char[ExpectedRefcounts.CHUNK];

  private final CheckedFile file;
  private final Geometry geometry;
  private final ExpectedRefcounts expected;
  private final StoredRefcounts stored;
  private final Report report;
  private final long perBlock;
  private boolean unusable;
  private boolean flagsWrong;
  private long highest;

  RefcountComparison(
      CheckedFile file,
      Geometry geometry,
      ExpectedRefcounts expected,
      StoredRefcounts stored,
      Report report) {
    this.file = file;
    this.geometry = geometry;
    this.expected = expected;
    this.stored = stored;
    this.report = report;
    this.perBlock = stored.countsPerBlock();
  }

  /** Whether a cluster in use has the refcount 0. */
  boolean unusable() {
    return unusable;
  }

  /** Whether a COPIED flag contradicts a recorded refcount. */
  boolean flagsWrong() {
    return flagsWrong;
  }

  /** The highest cluster that is used or has a refcount. */
  long highest() {
    return highest;
  }

  /** Compares, and reports each difference. */
  void run() {
    long blocks = (expected.clusters() + perBlock - 1) / perBlock;
    if (stored.width().order() != 4 || blocks > Integer.MAX_VALUE) {
      for (long index = 0; index < blocks; index++) {
        judge(index);
      }
      return;
    }
    int count = (int) blocks;
    int middle = expected.clusters() < FEW ? 0 : count / 2;
    Half low = new Half(0, middle);
    Half high = new Half(middle, count);
    Thread helper = null;
    if (middle > 0) {
      helper = new Thread(low, "check-compare");
      helper.setDaemon(true);
      helper.start();
    }
    high.run();
    await(helper);
    highest = Math.max(low.highest, high.highest);
    high.different.or(low.different);
    for (int index = high.different.nextSetBit(0);
        index >= 0;
        index = high.different.nextSetBit(index + 1)) {
      judge(index);
    }
  }

  private static void await(@Nullable Thread helper) {
    boolean interrupted = false;
    while (helper != null && helper.isAlive()) {
      try {
        helper.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /** Finds the blocks of a stretch that differ. */
  private final class Half implements Runnable {
    private final int from;
    private final int to;
    private final BitSet different = new BitSet();
    private final DataBuffer block = DataBuffer.allocate((int) geometry.clusterSize());
    private final short[] counts = new short[(int) perBlock];
    private long highest;

    Half(int from, int to) {
      this.from = from;
      this.to = to;
    }

    @Override
    public void run() {
      for (int index = from; index < to; index++) {
        if (!same(index)) {
          different.set(index);
        }
      }
    }

    private boolean same(int index) {
      long offset = stored.offset(index);
      if (!stored.readable(index) || offset == 0 || offset >= file.length()) {
        return offset == 0 && unused(index);
      }
      try {
        file.read(offset, block, block.capacity());
      } catch (ImageException e) {
        return false;
      }
      block.bytes().asShortBuffer().get(0, counts);
      long first = index * perBlock;
      long last = Math.min(expected.clusters(), first + perBlock);
      for (long at = first; at < last; ) {
        long end = Math.min(last, (at | ExpectedRefcounts.CHUNK - 1) + 1);
        char[] chunk = expected.peek((int) (at >>> ExpectedRefcounts.CHUNK_BITS));
        int in = (int) at & ExpectedRefcounts.CHUNK - 1;
        int used =
            lastUsed(
                chunk == null ? UNUSED : chunk, in, counts, (int) (at - first), (int) (end - at));
        if (used < -1) {
          return false;
        }
        if (used >= 0) {
          highest = at + used;
        }
        at = end;
      }
      return true;
    }

    private boolean unused(int index) {
      long first = index * perBlock;
      long last = Math.min(expected.clusters(), first + perBlock);
      for (long at = first; at < last; at = (at | ExpectedRefcounts.CHUNK - 1) + 1) {
        if (expected.peek((int) (at >>> ExpectedRefcounts.CHUNK_BITS)) != null) {
          return false;
        }
      }
      return true;
    }
  }

  /** Returns the last of {@code n} clusters that is in use, -1 for none, -2 if one differs. */
  private static int lastUsed(char[] chunk, int at, short[] counts, int from, int n) {
    int used = -1;
    for (int i = 0; i < n; i++) {
      int value = chunk[at + i];
      int count = counts[from + i] & 0xffff;
      if ((value | count) == 0) {
        continue;
      }
      used = i;
      if (value == (ExpectedRefcounts.COPIED | 1) && count == 1) {
        continue;
      }
      int wrongFlag = count == 1 ? ExpectedRefcounts.NOT_COPIED : ExpectedRefcounts.COPIED;
      if ((value & ExpectedRefcounts.COUNT) != count
          || count == ExpectedRefcounts.COUNT
          || (value & wrongFlag) != 0) {
        return -2;
      }
    }
    return used;
  }

  private void judge(long index) {
    long end = expected.clusters();
    long first = index * perBlock;
    long last = Math.min(end, first + perBlock);
    DataBuffer block = null;
    boolean readable = stored.readable(index);
    if (readable) {
      try {
        block = stored.block(index);
      } catch (ImageException e) {
        readable = false;
      }
    }
    for (long from = first; from < last; ) {
      long to = Math.min(last, (from | ExpectedRefcounts.CHUNK - 1) + 1);
      if (!readable) {
        unreadable(from, to);
      } else {
        compare(from, to, first, block, stored.width());
      }
      from = to;
    }
  }

  private void unreadable(long from, long to) {
    for (long cluster = from; cluster < to; cluster++) {
      report.add(
          Kind.REFCOUNT_UNREADABLE,
          "refcount block",
          cluster << geometry.clusterBits(),
          Finding.NONE,
          1,
          "Can't get refcount for cluster " + cluster + ": Input/output error");
    }
  }

  /** Compares clusters of one chunk, all described by one block that begins with {@code first}. */
  private void compare(
      long from, long to, long first, @Nullable DataBuffer block, RefcountWidth width) {
    char[] chunk = expected.peek((int) (from >>> ExpectedRefcounts.CHUNK_BITS));
    if (chunk == null && block == null) {
      return;
    }
    if (chunk == null) {
      chunk = new char[ExpectedRefcounts.CHUNK];
    }
    int at = (int) from & ExpectedRefcounts.CHUNK - 1;
    int count = (int) (to - from);
    int inBlock = (int) (from - first);
    long used = -1;
    ByteBuffer bytes = block == null ? null : block.bytes();
    boolean words = bytes != null && width.order() == 4;
    for (int i = 0; i < count; i++) {
      int value = chunk[at + i];
      long refcount =
          bytes == null
              ? 0
              : words
                  ? Short.toUnsignedInt(bytes.getShort(inBlock + i << 1))
                  : width.get(bytes, inBlock + i);
      if (value == 0 && refcount == 0) {
        continue;
      }
      used = i;
      int wrongFlag = refcount == 1 ? ExpectedRefcounts.NOT_COPIED : ExpectedRefcounts.COPIED;
      flagsWrong |= (value & wrongFlag) != 0;
      int low = value & ExpectedRefcounts.COUNT;
      if (low != refcount || low == ExpectedRefcounts.COUNT) {
        long reference = expected.count(from + i, value);
        if (reference != refcount) {
          differs(from + i, refcount, reference);
        }
      }
    }
    if (used >= 0) {
      highest = Math.max(highest, from + used);
    }
  }

  private void differs(long cluster, long refcount, long reference) {
    boolean leak = Long.compareUnsigned(refcount, reference) > 0;
    unusable |= refcount == 0;
    report.add(
        new Finding(
            leak ? Kind.REFCOUNT_TOO_HIGH : Kind.REFCOUNT_TOO_LOW,
            "refcount block",
            cluster << geometry.clusterBits(),
            Finding.NONE,
            reference,
            refcount,
            1,
            String.format(
                "%s cluster %d refcount=%s reference=%s",
                leak ? "Leaked" : "ERROR",
                cluster,
                Long.toUnsignedString(refcount),
                Long.toUnsignedString(reference))));
  }
}
