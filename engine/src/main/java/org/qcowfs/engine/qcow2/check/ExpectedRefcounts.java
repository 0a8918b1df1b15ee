package org.qcowfs.engine.qcow2.check;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * How often each host cluster is used, and what the active disk's entries say of it.
 *
 * <p>Two bytes for a cluster: its count, and whether an active entry that names it has COPIED, or
 * has it not. Counts that do not fit are kept apart. Memory is taken for 65536 clusters at a time,
 * when the first of them is used.
 *
 * <p><b>Thread safety:</b> none.
 */
final class ExpectedRefcounts {
  /** Log2 of the clusters of a chunk. */
  static final int CHUNK_BITS = 16;

  static final int CHUNK = 1 << CHUNK_BITS;

  /** An active entry with COPIED names the cluster. */
  static final int COPIED = 1 << 15;

  /** An active entry without COPIED names the cluster. */
  static final int NOT_COPIED = 1 << 14;

  /** Where the count is; this value stands for one that is kept apart. */
  static final int COUNT = (1 << 14) - 1;

  /** Clusters whose uses beyond the largest refcount are remembered. */
  private static final int MOST_EXCESSIVE = 1 << 16;

  private final Map<Long, Long> large = new HashMap<>();
  private final Map<Long, Long> excess = new HashMap<>();
  private final long max;
  private char[] @Nullable [] chunks;
  private long clusters;

  /**
   * @param clusters clusters of the file
   * @param max the largest refcount the image can record, unsigned
   */
  ExpectedRefcounts(long clusters, long max) {
    this.clusters = clusters;
    this.max = max;
    this.chunks = new char[chunkCount(clusters)][];
  }

  private static int chunkCount(long clusters) {
    return (int) (clusters + CHUNK - 1 >>> CHUNK_BITS);
  }

  /** One more than the highest cluster that is known: the file's, or one just behind it. */
  long clusters() {
    return clusters;
  }

  /** The largest count that {@link #chunk} can take without {@link #add}. */
  int plainMax() {
    return Long.compareUnsigned(max, COUNT - 1) < 0 ? (int) max : COUNT - 1;
  }

  /** The chunk, or null if nothing in it is used. */
  char @Nullable [] peek(int index) {
    return index < chunks.length ? chunks[index] : null;
  }

  /** The chunk, made if need be; {@code index} is that of a known cluster. */
  char[] chunk(int index) {
    char[] chunk = chunks[index];
    if (chunk == null) {
      chunk = new char[CHUNK];
      chunks[index] = chunk;
    }
    return chunk;
  }

  /**
   * Counts {@code times} uses of a cluster, and notes {@code flags}.
   *
   * @return how many of them exceed the largest refcount, and are not counted
   */
  long add(long cluster, long times, int flags) {
    if (cluster >= clusters) {
      clusters = cluster + 1;
      if (chunks.length < chunkCount(clusters)) {
        chunks = java.util.Arrays.copyOf(chunks, chunkCount(clusters));
      }
    }
    char[] chunk = chunk((int) (cluster >>> CHUNK_BITS));
    int at = (int) cluster & CHUNK - 1;
    long old = count(cluster, chunk[at]);
    long room = max < 0 ? Long.MAX_VALUE - old : max - old;
    long counted = Math.min(times, room);
    long now = old + counted;
    int low = now >= COUNT ? COUNT : (int) now;
    if (low == COUNT) {
      large.put(cluster, now);
    }
    chunk[at] = (char) (chunk[at] & ~COUNT | low | flags);
    if (times > counted && (excess.size() < MOST_EXCESSIVE || excess.containsKey(cluster))) {
      excess.merge(cluster, times - counted, Long::sum);
    }
    return times - counted;
  }

  /** Takes back uses that {@link #add} counted. */
  void subtract(long cluster, long times) {
    Long over = excess.get(cluster);
    if (over != null) {
      long fewer = Math.min(over, times);
      if (fewer == over) {
        excess.remove(cluster);
      } else {
        excess.put(cluster, over - fewer);
      }
      times -= fewer;
    }
    char[] chunk = chunk((int) (cluster >>> CHUNK_BITS));
    int at = (int) cluster & CHUNK - 1;
    long now = count(cluster, chunk[at]) - times;
    if (now < 0) {
      throw new IllegalStateException("cluster " + cluster + " was not used that often");
    }
    chunk[at] = (char) (chunk[at] & ~COUNT | (now >= COUNT ? COUNT : (int) now));
    if (now >= COUNT) {
      large.put(cluster, now);
    }
  }

  /** Whether there are uses beyond the largest refcount, of {@code cluster}. */
  boolean excessive(long cluster) {
    return excess.containsKey(cluster);
  }

  /** Whether there are uses beyond the largest refcount. */
  boolean excessive() {
    return !excess.isEmpty();
  }

  /** Whether there are more such clusters than are remembered. */
  boolean tooManyExcessive() {
    return excess.size() == MOST_EXCESSIVE;
  }

  /** Whether an active entry's noted flag contradicts the counts as they are now. */
  boolean flagsWrong() {
    for (char[] chunk : chunks) {
      for (int i = 0; chunk != null && i < CHUNK; i++) {
        int wrong = (chunk[i] & COUNT) == 1 ? NOT_COPIED : COPIED;
        if ((chunk[i] & wrong) != 0) {
          return true;
        }
      }
    }
    return false;
  }

  /** The count of {@code cluster}, whose two bytes are {@code value}. */
  long count(long cluster, int value) {
    int low = value & COUNT;
    return low == COUNT ? large.getOrDefault(cluster, 0L) : low;
  }

  /** The count of a cluster. */
  long count(long cluster) {
    char[] chunk = peek((int) (cluster >>> CHUNK_BITS));
    return chunk == null ? 0 : count(cluster, chunk[(int) cluster & CHUNK - 1]);
  }
}
