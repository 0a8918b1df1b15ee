package org.qcowfs.engine.qcow2.cache;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * A piece of an L1 or L2 table: its words in host byte order.
 *
 * <p><b>Thread safety:</b> words may be read and set from any thread; a set is visible to reads
 * that begin after it.
 */
public final class Slice {
  private static final VarHandle WORD = MethodHandles.arrayElementVarHandle(long[].class);

  final int owner;
  final long index;
  private final long hostOffset;
  private final long[] words;

  /** When it was last used, in the cache's own ticks; a lost update does no harm. */
  int lastUse;

  /**
   * @param owner the table's owner as {@link MetadataCache#newOwner} named it
   * @param index the slice's number among that owner's slices
   * @param hostOffset where the first word is stored
   * @param words the decoded words; fewer than a whole slice where the file ends before it
   */
  public Slice(int owner, long index, long hostOffset, long[] words) {
    this.owner = owner;
    this.index = index;
    this.hostOffset = hostOffset;
    this.words = words;
  }

  /** Words present: fewer than a whole slice where the file ends before it. */
  public int count() {
    return words.length;
  }

  /** Host offset of word 0. */
  public long hostOffset() {
    return hostOffset;
  }

  public long word(int i) {
    return (long) WORD.getAcquire(words, i);
  }

  public void setWord(int i, long value) {
    WORD.setRelease(words, i, value);
  }
}
