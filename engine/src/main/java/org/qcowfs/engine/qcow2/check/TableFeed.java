package org.qcowfs.engine.qcow2.check;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.qcow2.format.Geometry;

/**
 * L2 tables in a given order, read ahead by a second thread that also finds, in each, the runs of
 * plain entries: those that name one host cluster after the other.
 *
 * <p>Judging stays with the one thread that takes the tables, so findings keep their order. It
 * reads tables itself whenever the one it needs has not been begun.
 *
 * <p><b>Thread safety:</b> {@link #take} and {@link #close} are for one thread.
 */
final class TableFeed implements AutoCloseable {
  /** What the tables that are read ahead may take, and how many they may be. */
  private static final int MOST_BYTES = 4 << 20;

  private static final int MOST_SLOTS = 16;

  /** Fewer tables are not worth a thread. */
  private static final int FEW = 32;

  /** A table with more runs is judged entry by entry. */
  private static final int MOST_RUNS = 256;

  private static final long PAUSE_NANOS = 20_000;

  private final CheckedFile file;
  private final long[] offsets;
  private final long special;
  private final long plainEnd;
  private final long clusterSize;
  private final boolean findRuns;
  private final Table[] slots;
  private final AtomicInteger claimed = new AtomicInteger();
  private volatile int taken;
  private volatile boolean closed;
  private int position;

  /** One L2 table. */
  static final class Table {
    private final DataBuffer bytes;

    /** Its words; valid until the next table is taken. */
    final long[] words;

    /** How many runs its entries make; -1 if they must be judged one by one. */
    int runs;

    /** The word at which each run begins, and its entries. */
    final int[] first = new int[MOST_RUNS];

    final int[] count = new int[MOST_RUNS];
    private @Nullable ImageException failure;
    private volatile int ready = -1;

    private Table(int clusterSize) {
      bytes = DataBuffer.allocate(clusterSize);
      words = new long[clusterSize / 8];
    }
  }

  /**
   * Begins to read.
   *
   * @param offsets host offsets of the tables, in the order in which they will be taken
   * @param special the bits of an entry that must be judged
   * @param plainEnd entries at or past this host offset must be judged
   * @param findRuns whether there are runs: not among extended entries
   */
  TableFeed(
      CheckedFile file,
      Geometry geometry,
      long[] offsets,
      long special,
      long plainEnd,
      boolean findRuns) {
    this.file = file;
    this.offsets = offsets;
    this.special = special;
    this.plainEnd = plainEnd;
    this.findRuns = findRuns;
    this.clusterSize = geometry.clusterSize();
    int count = (int) Math.max(2, Math.min(MOST_SLOTS, MOST_BYTES / clusterSize));
    this.slots = new Table[offsets.length < FEW ? 1 : count];
    for (int i = 0; i < slots.length; i++) {
      slots[i] = new Table((int) clusterSize);
    }
    if (slots.length > 1) {
      Thread helper = new Thread(this::readAhead, "check-read-ahead");
      helper.setDaemon(true);
      helper.start();
    }
  }

  /** The next table; the one before is done with. */
  Table take() throws ImageException {
    int index = position++;
    taken = index;
    Table table = slots[index % slots.length];
    while (table.ready != index) {
      if (!claim(index)) {
        LockSupport.parkNanos(PAUSE_NANOS);
      }
    }
    ImageException failure = table.failure;
    if (failure != null) {
      throw failure;
    }
    return table;
  }

  @Override
  public void close() {
    closed = true;
  }

  private void readAhead() {
    while (!closed && claimed.get() < offsets.length) {
      if (!claim(taken)) {
        LockSupport.parkNanos(PAUSE_NANOS);
      }
    }
  }

  /** Loads the next table that nobody has begun, if its slot is free. */
  private boolean claim(int done) {
    int index = claimed.get();
    if (index >= offsets.length
        || index >= done + slots.length
        || !claimed.compareAndSet(index, index + 1)) {
      return false;
    }
    Table table = slots[index % slots.length];
    table.failure = null;
    try {
      file.read(offsets[index], table.bytes, table.bytes.capacity());
      table.bytes.bytes().asLongBuffer().get(0, table.words);
      table.runs = -1;
      if (findRuns) {
        findRuns(table);
      }
    } catch (ImageException e) {
      table.failure = e;
    }
    table.ready = index;
    return true;
  }

  private void findRuns(Table table) {
    long[] words = table.words;
    int runs = 0;
    int i = 0;
    while (i < words.length) {
      long entry = words[i];
      if (entry == 0) {
        i++;
        continue;
      }
      long offset = entry & Geometry.OFFSET_MASK;
      if ((entry & special) != 0 || offset == 0 || offset >= plainEnd || runs == MOST_RUNS) {
        return;
      }
      int most = (int) Math.min(words.length - i, (plainEnd - offset) / clusterSize);
      int n = 1;
      long expected = entry + clusterSize;
      while (n < most && words[i + n] == expected) {
        n++;
        expected += clusterSize;
      }
      table.first[runs] = i;
      table.count[runs++] = n;
      i += n;
    }
    table.runs = runs;
  }
}
