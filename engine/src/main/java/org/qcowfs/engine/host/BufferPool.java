package org.qcowfs.engine.host;

import java.util.ArrayDeque;

/**
 * Buffers of one size, as many as were ever in use at once.
 *
 * <p><b>Thread safety:</b> any thread.
 */
public final class BufferPool {
  private final int capacity;
  private final ArrayDeque<DataBuffer> idle = new ArrayDeque<>(1);

  /**
   * @param capacity bytes of each
   */
  public BufferPool(int capacity) {
    this.capacity = capacity;
  }

  /** A buffer that is the caller's until {@link #giveBack}; holds whatever the last user left. */
  public DataBuffer take() {
    synchronized (idle) {
      DataBuffer buffer = idle.poll();
      return buffer == null ? DataBuffer.allocate(capacity) : buffer;
    }
  }

  /** Takes back what {@link #take} gave, of which nobody makes use any more. */
  public void giveBack(DataBuffer buffer) {
    synchronized (idle) {
      idle.push(buffer);
    }
  }
}
