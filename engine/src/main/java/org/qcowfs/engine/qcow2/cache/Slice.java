package org.qcowfs.engine.qcow2.cache;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;

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

  private boolean dirty;

  /** Odd while two words are being changed together. */
  private volatile int version;

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

  /** Its number among its owner's slices. */
  public long index() {
    return index;
  }

  /** Whether it differs from the file; guarded by the image's metadata lock. */
  public boolean isDirty() {
    return dirty;
  }

  public void setDirty(boolean value) {
    dirty = value;
  }

  public long word(int i) {
    return (long) WORD.getAcquire(words, i);
  }

  public void setWord(int i, long value) {
    WORD.setRelease(words, i, value);
  }

  /** Puts all words into {@code dst} in its byte order; no set may be under way. */
  public void copyTo(ByteBuffer dst) {
    dst.asLongBuffer().put(words);
    dst.position(dst.position() + words.length * Long.BYTES);
  }

  /** Changes words {@code i} and {@code i + 1}; one thread at a time. */
  @SuppressWarnings("NonAtomicOperationOnVolatileField") // the caller holds the metadata lock
  public void setPair(int i, long first, long second) {
    version++;
    VarHandle.fullFence();
    setWord(i, first);
    setWord(i + 1, second);
    version++;
  }

  /**
   * The version to hand to {@link #changedSince} after reading pairs of words; waits while a pair
   * is being changed.
   */
  public int version() {
    int now = version;
    while ((now & 1) != 0) {
      Thread.onSpinWait();
      now = version;
    }
    return now;
  }

  /** Whether pairs read since {@code version} may be half old, half new. */
  public boolean changedSince(int version) {
    VarHandle.loadLoadFence();
    return this.version != version;
  }
}
