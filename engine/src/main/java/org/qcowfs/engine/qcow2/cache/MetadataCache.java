package org.qcowfs.engine.qcow2.cache;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/**
 * A bounded set-associative cache of table slices.
 *
 * <p><b>Thread safety:</b> safe; {@link #get} takes no lock.
 */
public final class MetadataCache {
  /** The largest slice in bytes; smaller clusters have slices of one cluster. */
  public static final int SLICE_BYTES = 4096;

  private static final int WAYS = 8;

  private final AtomicReferenceArray<Slice> slots;
  private final int sets;
  private final AtomicInteger owners = new AtomicInteger();
  private final Object[] replaceLocks = new Object[64];

  /** Bumped on every replacement and used as the clock of "least recently used". */
  private volatile int tick;

  /**
   * @param bytes the bound on the slices' own bytes; at least one set of slices is kept
   */
  public MetadataCache(long bytes) {
    // A power of two, so that finding a set is a mask.
    sets = (int) Long.highestOneBit(Math.max(1, Math.min(1 << 26, bytes / SLICE_BYTES / WAYS)));
    slots = new AtomicReferenceArray<>(sets * WAYS);
    for (int i = 0; i < replaceLocks.length; i++) {
      replaceLocks[i] = new Object();
    }
  }

  /** A number under which one table's slices are kept apart from all others'. */
  public int newOwner() {
    return owners.getAndIncrement();
  }

  /** The slice, or null if it is not here. */
  public @Nullable Slice get(int owner, long index) {
    int first = set(owner, index) * WAYS;
    for (int i = first; i < first + WAYS; i++) {
      Slice slice = slots.getAcquire(i);
      if (slice != null && slice.index == index && slice.owner == owner) {
        int now = tick;
        if (slice.lastUse != now) {
          slice.lastUse = now; // written only when it changes, to keep shared cache lines clean
        }
        return slice;
      }
    }
    return null;
  }

  /**
   * Keeps a slice, in place of the least recently used of its set.
   *
   * @return the slice that is kept: another thread's, if that came first
   */
  public Slice put(Slice slice) {
    int set = set(slice.owner, slice.index);
    synchronized (replaceLocks[set % replaceLocks.length]) {
      Slice present = get(slice.owner, slice.index);
      if (present != null) {
        return present;
      }
      int victim = set * WAYS;
      int oldest = -1;
      for (int i = set * WAYS; i < (set + 1) * WAYS; i++) {
        Slice other = slots.getPlain(i);
        if (other == null) {
          victim = i;
          break;
        }
        int age = tick - other.lastUse;
        if (age > oldest) {
          oldest = age;
          victim = i;
        }
      }
      @SuppressWarnings("NonAtomicVolatileUpdate") // a lost tick only blurs the order of ages
      int now = ++tick;
      slice.lastUse = now;
      slots.setRelease(victim, slice);
      return slice;
    }
  }

  /** Forgets a slice. */
  public void remove(int owner, long index) {
    int first = set(owner, index) * WAYS;
    synchronized (replaceLocks[set(owner, index) % replaceLocks.length]) {
      for (int i = first; i < first + WAYS; i++) {
        Slice slice = slots.getPlain(i);
        if (slice != null && slice.index == index && slice.owner == owner) {
          slots.setRelease(i, null);
        }
      }
    }
  }

  /**
   * Neighbouring slices of one owner fall into neighbouring sets, so that a table as large as the
   * cache fits without conflicts; owners are spread by an odd stride.
   */
  private int set(int owner, long index) {
    return (int) (index + owner * 0x9e3779b1L) & sets - 1;
  }
}
