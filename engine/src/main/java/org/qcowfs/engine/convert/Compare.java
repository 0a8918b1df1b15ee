package org.qcowfs.engine.convert;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.change.Progress;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.work.Crew;

/**
 * Compares what two disks hold; behind the end of the shorter one there are zeroes.
 *
 * <p><b>Thread safety:</b> one thread at a time; it starts threads of its own and joins them.
 */
public final class Compare {
  /** Differences are told to this many bytes. */
  public static final int SECTOR = 512;

  /** A range that differs. */
  public record Difference(long start, long length) {
    /** The first byte behind it. */
    public long end() {
      return start + length;
    }
  }

  /** A disk could not be read: which of the two, and why. */
  public static final class ReadFault extends Exception {
    private static final long serialVersionUID = 1L;

    private final boolean first;
    private final long offset;
    private final ImageException reason;

    ReadFault(boolean first, long offset, ImageException reason) {
      super(reason);
      this.first = first;
      this.offset = offset;
      this.reason = reason;
    }

    /** Whether it was the first of the two. */
    public boolean isFirst() {
      return first;
    }

    /** Where the range that was read begins, in bytes. */
    public long offset() {
      return offset;
    }

    public ImageException reason() {
      return reason;
    }
  }

  /** What is compared before other threads are asked to help. */
  private static final int ALONE_BYTES = 4 << 20;

  private static final int MOST_THREADS = 4;

  private final Image one;
  private final Image other;
  private final long size;
  private final Progress progress;
  private final Strip strip = new Strip();

  /**
   * @param progress told how far it is, from any thread, one at a time
   */
  public Compare(Image one, Image other, Progress progress) {
    this.one = one;
    this.other = other;
    this.size = Math.max(one.size(), other.size());
    this.progress = progress;
  }

  /**
   * Where the first difference at or after {@code from} begins, a multiple of {@link #SECTOR}.
   *
   * @return -1 if there is none
   * @throws ImageException if the map of one of the two cannot be had
   */
  public long first(long from) throws ImageException, ReadFault, InterruptedException {
    if (from >= strip.start() && from < strip.end()) {
      long differing = strip.differing(from);
      if (differing < strip.end()) {
        return differing;
      }
      from = strip.end();
    }
    CompareWalk walk = new CompareWalk(one, other, from, progress);
    while (walk.next(strip)) {
      compare(strip, walk);
      if (strip.end() - from > ALONE_BYTES) {
        together(walk);
        break;
      }
    }
    rethrow(walk.fault());
    long found = walk.found();
    if (found < 0 && size > 0) {
      progress.at(size, size);
    }
    return found;
  }

  /**
   * The first difference at or after {@code from}, to its end.
   *
   * @return null if there is none
   * @throws ImageException if the map of one of the two cannot be had
   */
  public @Nullable Difference next(long from)
      throws ImageException, ReadFault, InterruptedException {
    long start = first(from);
    if (start < 0) {
      return null;
    }
    long end = start;
    while (end < size) {
      if (end < strip.start() || end >= strip.end()) {
        strip.set(end, (int) Math.min(Strip.BYTES, size - end));
        strip.read(one, other);
      }
      end = strip.same(end);
      if (end < strip.end()) {
        break;
      }
    }
    return new Difference(start, end - start);
  }

  private void together(CompareWalk walk) throws InterruptedException {
    List<Thread> helpers = new ArrayList<>();
    int count = Math.min(MOST_THREADS, Runtime.getRuntime().availableProcessors()) - 1;
    for (int i = 0; i < count; i++) {
      Thread thread = new Thread(() -> work(new Strip(), walk), "compare-" + i);
      helpers.add(thread);
      thread.start();
    }
    work(strip, walk);
    // Something found in front of the disk ends the walk.
    Crew.join(helpers, () -> walk.found(-1, null));
  }

  private void work(Strip own, CompareWalk walk) {
    while (walk.next(own)) {
      compare(own, walk);
    }
  }

  private void compare(Strip own, CompareWalk walk) {
    try {
      own.read(one, other);
      long differing = own.differing(own.start());
      if (differing < own.end()) {
        walk.found(differing, null);
      }
    } catch (ReadFault | RuntimeException | Error e) {
      walk.found(own.start(), e);
    }
  }

  private static void rethrow(@Nullable Throwable fault) throws ImageException, ReadFault {
    if (fault instanceof ReadFault e) {
      throw e;
    }
    Crew.rethrow(fault);
  }
}
