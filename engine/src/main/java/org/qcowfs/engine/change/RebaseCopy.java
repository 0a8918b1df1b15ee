package org.qcowfs.engine.change;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.Zeroes;
import org.qcowfs.engine.layer.Mapping;
import org.qcowfs.engine.work.Crew;

/**
 * Writes into an overlay what its new backing file does not have.
 *
 * <p><b>Thread safety:</b> safe: several threads walk at once.
 */
final class RebaseCopy {
  /** Two of these stay in the second-level cache of a processor. */
  private static final int PIECE = 256 << 10;

  /** What is compared and written at once: no cluster or subcluster is larger than needed. */
  private static final int GRAIN = 4096;

  /** The host is told to begin to write whenever that much lies ready. */
  private static final long WRITEOUT_BYTES = 8 << 20;

  private final Image overlay;
  private final @Nullable Image next;
  private final int common;
  private final Progress progress;
  private final long size;
  private final long total;
  private final long clusterSize;

  /** A multiple of the cluster size. */
  private final int pieceBytes;

  // The walk; guarded by this.
  private final Mapping there = new Mapping();
  private long position;
  private long announced;

  /**
   * @param next the new backing file; null for none
   * @param common the depth from which on the old chain is the new one
   */
  RebaseCopy(Image overlay, @Nullable Image next, int common, Progress progress)
      throws ImageException {
    this.overlay = overlay;
    this.next = next;
    this.common = common;
    this.progress = progress;
    this.size = overlay.size();
    this.total = Math.max(1, size);
    this.clusterSize = overlay.info().clusterSize();
    this.pieceBytes = (int) Math.max(PIECE, clusterSize);
  }

  /** Writes all that is needed; it is durable after the overlay's next flush. */
  void run() throws ImageException {
    progress.at(0, total);
    Crew.work(Hand::new);
    progress.at(total, total);
  }

  /** Sets the next piece that must be looked at; false at the end. */
  private synchronized boolean next(Hand hand) throws ImageException {
    while (position < size) {
      progress.at(position, total);
      long at = position;
      Mapping mapping = hand.mapping;
      overlay.extent(at, size - at, mapping);
      boolean empty = mapping.kind() == Mapping.Kind.UNALLOCATED;
      boolean own = mapping.depth() == 0 && !empty;
      long length = mapping.length();
      hand.zero = empty || mapping.kind() == Mapping.Kind.ZERO;
      if (own || !empty && mapping.depth() >= common) {
        position += length;
        continue;
      }
      if (hand.zero) {
        long same = zeroesInNext(at, length);
        if (same > 0) {
          position += same;
          continue;
        }
        // In whole clusters of the overlay, which then need no data.
        long end = at + there.length();
        length = Math.min(length, (end + clusterSize - 1) / clusterSize * clusterSize - at);
      }
      position = Math.min(at + length, (at / pieceBytes + 1) * pieceBytes);
      hand.at = at;
      hand.length = (int) (position - at);
      hand.readyBytes = 0;
      if (at - announced >= WRITEOUT_BYTES) {
        hand.ready = announced;
        hand.readyBytes = at - announced;
        announced = at;
      }
      return true;
    }
    return false;
  }

  /**
   * For how many bytes the new backing file reads as zeroes by its map, too; if 0, {@link #there}
   * tells what it has.
   */
  private long zeroesInNext(long at, long length) throws ImageException {
    long inNext = next == null ? 0 : Math.max(0, Math.min(length, next.size() - at));
    if (next == null || inNext == 0) {
      return length;
    }
    next.extent(at, inNext, there);
    if (there.kind() != Mapping.Kind.ZERO && there.kind() != Mapping.Kind.UNALLOCATED) {
      return 0;
    }
    long end = at + there.length();
    long skipTo = end == at + inNext ? end : end / clusterSize * clusterSize;
    return Math.max(0, skipTo - at);
  }

  /** One thread's part. */
  private final class Hand implements Crew.Hand {
    private final DataBuffer before = DataBuffer.allocate(pieceBytes);
    private final DataBuffer after = DataBuffer.allocate(pieceBytes);
    private final Mapping mapping = new Mapping();
    private long at;
    private int length;
    private boolean zero;

    /** What the host may begin to write. */
    private long ready;

    private long readyBytes;

    @Override
    public boolean step() throws ImageException {
      if (!next(this)) {
        return false;
      }
      if (readyBytes > 0) {
        overlay.startWriteout(ready, readyBytes);
      }
      int present = next == null ? 0 : (int) Math.max(0, Math.min(length, next.size() - at));
      if (next != null && present > 0) {
        next.read(at, after, 0, present);
      }
      after.zero(present, length - present);
      if (zero) {
        hide();
      } else {
        overlay.read(at, before, 0, length);
        keep();
      }
      return true;
    }

    /**
     * Hides what the new backing file has where the disk reads as zeroes: by whole clusters, which
     * needs no data.
     */
    private void hide() throws ImageException {
      for (int from = 0; from < length; ) {
        int unit = (int) Math.min(length - from, clusterSize - (at + from) % clusterSize);
        if (Zeroes.isZero(after, from, unit)) {
          from += unit;
          continue;
        }
        int to = from + unit;
        while (to < length) {
          int more = (int) Math.min(length - to, clusterSize);
          if (Zeroes.isZero(after, to, more)) {
            break;
          }
          to += more;
        }
        overlay.zeroHere(at + from, to - from);
        from = to;
      }
    }

    /** Writes the stretches of the disk that differ in the new backing file. */
    private void keep() throws ImageException {
      for (int from = mismatch(0); from >= 0; from = mismatch(from)) {
        from -= from % GRAIN;
        int to = from;
        do {
          to = Math.min(to + GRAIN, length);
        } while (to < length && differs(to, Math.min(GRAIN, length - to)));
        overlay.write(at + from, before, from, to - from);
        from = to;
      }
    }

    /** Where the first difference from {@code from} on is, or -1 for none. */
    private int mismatch(int from) {
      int found = slice(before, from, length - from).mismatch(slice(after, from, length - from));
      return found < 0 ? -1 : from + found;
    }

    private boolean differs(int from, int bytes) {
      return slice(before, from, bytes).mismatch(slice(after, from, bytes)) >= 0;
    }

    private static ByteBuffer slice(DataBuffer buffer, int from, int bytes) {
      return buffer.bytes().slice(from, bytes);
    }
  }
}
