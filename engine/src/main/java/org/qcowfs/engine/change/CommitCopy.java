package org.qcowfs.engine.change;

import java.util.concurrent.locks.LockSupport;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.Zeroes;
import org.qcowfs.engine.layer.Mapping;
import org.qcowfs.engine.work.Crew;

/**
 * Copies what the layers of an overlay down to the base have into that base.
 *
 * <p><b>Thread safety:</b> safe: several threads walk at once.
 */
final class CommitCopy {
  private static final int PIECE = 1 << 20;

  /** The host is told to begin to write whenever that much lies ready. */
  private static final long WRITEOUT_BYTES = 8 << 20;

  private final Image above;
  private final Image base;
  private final long bytesPerSecond;
  private final Progress progress;
  private final long size;
  private final long total;
  private final long began = System.nanoTime();

  // The walk; guarded by this.
  private long position;
  private long announced;
  private long copied;

  /**
   * @param above the layers above the base, as one disk
   * @param bytesPerSecond the most to copy in a second, or 0 for no limit
   */
  CommitCopy(Image above, Image base, long bytesPerSecond, Progress progress) {
    this.above = above;
    this.base = base;
    this.bytesPerSecond = bytesPerSecond;
    this.progress = progress;
    this.size = above.size();
    this.total = Math.max(1, size);
  }

  /** Copies everything; what was written is durable after the base's next flush. */
  void run() throws ImageException {
    progress.at(0, total);
    Crew.work(Hand::new);
    progress.at(total, total);
  }

  private final class Hand implements Crew.Hand {
    private final DataBuffer buffer = DataBuffer.allocate(PIECE);
    private final Mapping mapping = new Mapping();
    private long at;

    /** What the host may begin to write. */
    private long ready;

    private long readyBytes;

    /** When the piece may begin, as {@link System#nanoTime}. */
    private long due;

    @Override
    public boolean step() throws ImageException {
      if (!next(this)) {
        return false;
      }
      if (readyBytes > 0) {
        base.startWriteout(ready, readyBytes);
      }
      for (long left = due - System.nanoTime(); left > 0; left = due - System.nanoTime()) {
        LockSupport.parkNanos(left);
      }
      switch (mapping.kind()) {
        case UNALLOCATED -> {
          if (mapping.depth() < above.depth() - 1) {
            // Behind the end of a shorter image in between, zeroes hide what the base has.
            base.zero(at, mapping.length(), true);
          }
        }
        case ZERO -> base.zero(at, mapping.length(), true);
        case DATA, COMPRESSED -> copy((int) mapping.length());
        case DAMAGED -> throw mapping.damage();
      }
      return true;
    }

    private void copy(int length) throws ImageException {
      above.read(at, buffer, 0, length);
      if (Zeroes.isZero(buffer, 0, length)) {
        base.zero(at, length, true);
      } else {
        base.write(at, buffer, 0, length);
      }
    }
  }

  private synchronized boolean next(Hand hand) throws ImageException {
    if (position >= size) {
      return false;
    }
    hand.readyBytes = 0;
    if (position - announced >= WRITEOUT_BYTES) {
      hand.ready = announced;
      hand.readyBytes = position - announced;
      announced = position;
    }
    hand.at = position;
    hand.due = System.nanoTime();
    above.extent(position, size - position, hand.mapping);
    Mapping.Kind kind = hand.mapping.kind();
    if (kind == Mapping.Kind.DATA || kind == Mapping.Kind.COMPRESSED) {
      hand.mapping.limit(Math.min(hand.mapping.length(), PIECE));
      if (bytesPerSecond > 0) {
        hand.due = began + (long) ((double) copied / bytesPerSecond * 1e9);
        copied += hand.mapping.length();
      }
    }
    position += hand.mapping.length();
    progress.at(hand.at, total);
    return true;
  }
}
