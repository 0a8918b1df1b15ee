package org.qcowfs.engine.qcow2.check;

/**
 * Open-addressed map from the host offset of an L2 table to how often L1 entries name it.
 *
 * <p><b>Thread safety:</b> none.
 */
final class Uses {
  private long[] keys = new long[1 << 10];
  private long[] active = new long[1 << 10];
  private long[] all = new long[1 << 10];
  private boolean[] done = new boolean[1 << 10];
  private int size;

  int size() {
    return size;
  }

  boolean contains(long l2Offset) {
    return keys[slot(l2Offset)] != 0;
  }

  /** Counts {@code times} uses. */
  void add(long l2Offset, boolean isActive, long times) {
    int slot = slot(l2Offset);
    if (keys[slot] == 0) {
      if (size * 2 >= keys.length) {
        grow();
        slot = slot(l2Offset);
      }
      keys[slot] = l2Offset | 1;
      size++;
    }
    all[slot] += times;
    if (isActive) {
      active[slot] += times;
    }
  }

  /** Uses by the active L1 table. */
  long active(long l2Offset) {
    return active[slot(l2Offset)];
  }

  /** Uses by all L1 tables. */
  long all(long l2Offset) {
    return all[slot(l2Offset)];
  }

  /** Whether this is the first call for a table that is in the map. */
  boolean first(long l2Offset) {
    int slot = slot(l2Offset);
    if (keys[slot] == 0 || done[slot]) {
      return false;
    }
    done[slot] = true;
    return true;
  }

  /** Makes {@link #first} start anew for some tables. */
  void forget(long[] l2Offsets, int count) {
    for (int i = 0; i < count; i++) {
      done[slot(l2Offsets[i])] = false;
    }
  }

  /** Makes {@link #first} start anew. */
  void restart() {
    java.util.Arrays.fill(done, false);
  }

  private int slot(long l2Offset) {
    // Offsets are multiples of 512, so the key with bit 0 set is never 0.
    long key = l2Offset | 1;
    int mask = keys.length - 1;
    int slot = (int) ((key >>> 9) * 0x9e3779b97f4a7c15L >>> 40) & mask;
    while (keys[slot] != 0 && keys[slot] != key) {
      slot = slot + 1 & mask;
    }
    return slot;
  }

  private void grow() {
    long[] oldKeys = keys;
    long[] oldActive = active;
    long[] oldAll = all;
    boolean[] oldDone = done;
    keys = new long[oldKeys.length * 2];
    active = new long[keys.length];
    all = new long[keys.length];
    done = new boolean[keys.length];
    for (int i = 0; i < oldKeys.length; i++) {
      if (oldKeys[i] != 0) {
        int slot = slot(oldKeys[i] & ~1L);
        keys[slot] = oldKeys[i];
        active[slot] = oldActive[i];
        all[slot] = oldAll[i];
        done[slot] = oldDone[i];
      }
    }
  }
}
