package org.qcowfs.engine.convert;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.change.Progress;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.layer.Mapping;
import org.qcowfs.engine.layer.RangeCopy;
import org.qcowfs.engine.work.Crew;

/**
 * Copies disks into another image.
 *
 * <pre>{@code
 * try (Image from = Images.open("vm.qcow2", OpenOptions.readOnly());
 *     Image to = Images.open("vm.raw", OpenOptions.readOnly().withFormat("raw").withWritable(true))) {
 *   Convert.from(List.of(from)).to(to);
 *   to.flush();
 * }
 * }</pre>
 *
 * <p><b>Thread safety:</b> one thread at a time; it starts threads of its own and joins them.
 */
public final class Convert {
  /** Pieces are this long, or a cluster if that is longer. */
  private static final int PIECE_BYTES = 1 << 20;

  /** What the host is asked to share at once. */
  private static final int OFFLOAD_BYTES = 16 << 20;

  /** How long an interrupt may go unnoticed where a rate is kept. */
  private static final long THROTTLE_STEP_MILLIS = 100;

  private static final int DEFAULT_SPARSE_BYTES = 4096;
  private static final int MOST_LEFT_OUT = 1 << 16;

  private final Source source;
  private boolean compress;
  private boolean offload;
  private boolean targetIsZero;
  private boolean targetIsNew;
  private boolean skipsLower;
  private boolean ordered = true;
  private long lowerSize;
  private int sparseBytes = DEFAULT_SPARSE_BYTES;
  private int threads = 8;
  private long bytesPerSecond;
  private @Nullable Consumer<String> salvage;
  private Progress progress = (done, total) -> {};
  private boolean counts;
  private BooleanSupplier cancelled = () -> false;

  // The walk and its order; guarded by this.
  private final Mapping mapping = new Mapping();
  private long position;
  private int unit = 1;
  private @Nullable RangeCopy rangeCopy;
  private long taken;
  private long turn;
  private long toCopy;
  private long copied;
  private long started;
  private @Nullable Throwable failure;

  private Convert(List<Image> images) {
    this.source = new Source(images);
  }

  /** What is copied: the disks one after the other, each from a whole sector on. */
  public static Convert from(List<Image> images) {
    return new Convert(images);
  }

  /** Bytes that are copied. */
  public long size() {
    return source.size();
  }

  /** Store clusters compressed. */
  public Convert compressed() {
    compress = true;
    return this;
  }

  /**
   * Share the blocks of the two files where the host can (copy offloading). Zeroes that a source
   * stores as data are then shared as data.
   */
  public Convert offloaded() {
    offload = true;
    return this;
  }

  /** The target reads as zeroes already: zeroes need not be written. */
  public Convert targetIsZero() {
    targetIsZero = true;
    return this;
  }

  /** The target has just been made: zeroes need not be written where it reads as zeroes. */
  public Convert targetIsNew() {
    targetIsNew = true;
    return this;
  }

  /**
   * What the top layer of the source does not have is not copied, because the target's backing file
   * of {@code size} bytes has it.
   */
  public Convert aboveBacking(long size) {
    skipsLower = true;
    lowerSize = size;
    return this;
  }

  /** Pieces may be written in any order. */
  public Convert unordered() {
    ordered = false;
    return this;
  }

  /**
   * @param bytes runs of zeroes at least this long are not written; 0 to write everything; else a
   *     power of two of at least 512
   */
  public Convert sparse(int bytes) {
    sparseBytes = bytes;
    return this;
  }

  /** At most this many threads. */
  public Convert threads(int count) {
    threads = count;
    return this;
  }

  /** At most this many bytes a second; 0 for no limit. */
  public Convert rate(long bytes) {
    bytesPerSecond = bytes;
    return this;
  }

  /** Zeroes stand for what cannot be read; {@code report} gets a line for each place. */
  public Convert salvage(Consumer<String> report) {
    salvage = report;
    return this;
  }

  /** Told how far it is, from any thread, one at a time. */
  public Convert progress(Progress listener) {
    progress = listener;
    return this;
  }

  /**
   * Looks first how much there is to copy, so that progress is told in parts of that and not of the
   * whole disk with its holes.
   */
  public Convert counting() {
    counts = true;
    return this;
  }

  /** Asked between pieces: whether to stop. */
  public Convert cancel(BooleanSupplier asked) {
    cancelled = asked;
    return this;
  }

  /**
   * Copies. A target that is larger keeps what it has behind the source's end. What was written is
   * durable after the target's next flush.
   *
   * @throws ImageException if a source cannot be read or the target not be written, or is too
   *     small; the target is then incomplete
   * @throws CancellationException if it was stopped; the target is then incomplete
   * @throws InterruptedException if the calling thread was interrupted; the target is then
   *     incomplete, and nothing uses the images any more
   */
  public void to(Image target) throws ImageException, InterruptedException {
    if (target.size() < source.size()) {
      throw new ImageException(
          ErrorKind.OUT_OF_BOUNDS, target.path(0), "output file is smaller than input file");
    }
    if (compress && target.compressing() == null) {
      throw new ImageException(
          ErrorKind.UNSUPPORTED, target.path(0), "Compression not supported for this file format");
    }
    boolean isZero = targetIsZero || targetIsNew && !showsDevice(target);
    if (!isZero && !skipsLower && sparseBytes != 0) {
      target.zero(0, source.size(), true); // what is behind that is none of the copy's business
    }
    report(0, source.size());
    unit = compress ? compressedUnit(target) : 1;
    rangeCopy = offload ? target.rangeCopy() : null;
    int pieceBytes = Math.max(PIECE_BYTES, unit);
    if (counts) {
      count(pieceBytes);
    }
    started = System.nanoTime();
    PieceSettings settings =
        new PieceSettings(compress, skipsLower, sparseBytes, grain(target), salvage);
    int count = Math.max(1, Math.min(threads, Runtime.getRuntime().availableProcessors() + 1));
    List<Thread> running = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      Thread thread = new Thread(() -> work(target, settings, pieceBytes), "convert-" + i);
      running.add(thread);
      thread.start();
    }
    Crew.join(running, () -> fail(new CancellationException("interrupted")));
    synchronized (this) {
      Crew.rethrow(failure);
    }
    report(source.size(), source.size());
  }

  /** A new image shows what a block device had before, where it names blocks of that device. */
  private boolean showsDevice(Image target) {
    if (target.size() == 0) {
      return false;
    }
    target.resolve(0, target.size(), mapping);
    return mapping.kind() == Mapping.Kind.DATA && !mapping.dataFile().resizable();
  }

  private static int compressedUnit(Image target) {
    var compressing = target.compressing();
    return compressing == null ? 1 : compressing.compressedUnit();
  }

  /**
   * The units in which zeroes are looked for: of an image with clusters at least one of those, as a
   * part of one would cost more to leave out than to write.
   */
  private int grain(Image target) throws ImageException {
    long cluster = Math.min(target.info().clusterSize(), MOST_LEFT_OUT);
    return (int) Math.max(Math.min(sparseBytes, DEFAULT_SPARSE_BYTES), cluster);
  }

  private void work(Image target, PieceSettings settings, int pieceBytes) {
    try (Piece piece = new Piece(source, target, settings, pieceBytes)) {
      while (next(piece, pieceBytes)) {
        piece.read();
        if (ordered) {
          awaitTurn(piece.number());
        }
        piece.write();
        done(piece);
      }
    } catch (Throwable e) {
      fail(e);
    }
  }

  private synchronized void fail(Throwable e) {
    if (failure == null) {
      failure = e;
    }
    notifyAll();
  }

  /** Adds up the pieces. */
  private synchronized void count(int pieceBytes) throws ImageException {
    for (long at = 0; at < source.size(); ) {
      stopIfCancelled();
      long hole = holeEnd(at);
      long end = hole > at ? hole : pieceEnd(at, pieceBytes);
      toCopy += hole > at ? 0 : end - at;
      at = end;
    }
  }

  /** Gives the next piece that has something to write; false at the end, or after a failure. */
  private synchronized boolean next(Piece piece, int pieceBytes)
      throws ImageException, InterruptedException {
    while (failure == null && position < source.size()) {
      stopIfCancelled();
      long start = position;
      long hole = holeEnd(start);
      if (hole > start) {
        position = hole;
        continue;
      }
      long end = pieceEnd(start, pieceBytes);
      RangeCopy host = sparseBytes == 0 ? null : rangeCopy;
      if (host != null && mapping.kind() == Mapping.Kind.DATA && !piece.refuses(mapping)) {
        if (offer(host, piece, start + mapping.length())) {
          return true;
        }
        // Read and written up to where a unit may begin that is data as a whole.
        int whole = host.copyRangeUnit();
        end = Math.min(end, (start / whole + 1) * whole);
      }
      piece.set(taken++, start, (int) (end - start));
      position = end;
      throttle();
      return true;
    }
    return false;
  }

  private void stopIfCancelled() {
    if (cancelled.getAsBoolean()) {
      throw new CancellationException("interrupted");
    }
  }

  /**
   * Asks what is at {@code at}; returns where the part ends of which nothing is written, or {@code
   * at}.
   */
  private long holeEnd(long at) throws ImageException {
    if (sparseBytes == 0) {
      return at;
    }
    long end = at + extent(at);
    if (isToWrite(at)) {
      return at;
    }
    // A compressed unit is stored whole: one whose begin is a hole may hold data too.
    return end == source.size() ? end : end / unit * unit;
  }

  /** Where a piece ends that begins at {@code start}, of which {@link #holeEnd} was asked. */
  private long pieceEnd(long start, int pieceBytes) {
    long end = Math.min(source.size(), (start / pieceBytes + 1) * pieceBytes);
    if (skipsLower && sparseBytes != 0 && isToWrite(start)) {
      // Beyond this extent the backing file may have the bytes.
      long extentEnd = start + mapping.length();
      end = Math.min(end, (extentEnd + unit - 1) / unit * (long) unit);
    }
    return end;
  }

  /** Gives a piece that the host may copy; false if no whole unit of it lies here. */
  private boolean offer(RangeCopy host, Piece piece, long extentEnd) throws InterruptedException {
    long whole = host.copyRangeUnit();
    long start = position;
    long end = Math.min(extentEnd, start + OFFLOAD_BYTES) / whole * whole;
    if (start % whole != 0 || end <= start) {
      return false;
    }
    piece.set(taken++, start, (int) (end - start), host, mapping);
    position = end;
    throttle();
    return true;
  }

  /** Asks what is at {@code at}; returns for how many bytes the answer holds. */
  private long extent(long at) throws ImageException {
    boolean below = skipsLower && at < lowerSize;
    source.extent(at, (below ? lowerSize : source.size()) - at, below, mapping);
    return mapping.length();
  }

  private boolean isToWrite(long at) {
    return switch (mapping.kind()) {
      case DATA, COMPRESSED, DAMAGED -> true;
      case UNALLOCATED -> false;
      case ZERO -> skipsLower && at < lowerSize;
    };
  }

  /** Waits until what has been taken so far is due, in steps: who cancels is not kept waiting. */
  private void throttle() throws InterruptedException {
    if (bytesPerSecond > 0) {
      long due = started + (long) (1e9 * position / bytesPerSecond);
      for (long left = due - System.nanoTime();
          left > 0 && failure == null;
          left = due - System.nanoTime()) {
        stopIfCancelled();
        wait(Math.min(THROTTLE_STEP_MILLIS, left / 1_000_000 + 1));
      }
    }
  }

  private synchronized void awaitTurn(long number) throws InterruptedException {
    while (turn != number && failure == null) {
      wait();
    }
    if (failure != null) {
      throw new CancellationException("another piece failed");
    }
  }

  private void report(long done, long total) {
    if (total > 0) {
      progress.at(done, total);
    }
  }

  private synchronized void done(Piece piece) {
    turn++;
    copied += piece.length();
    if (counts) {
      report(Math.min(copied, toCopy), toCopy);
    } else {
      report(piece.end(), source.size());
    }
    notifyAll();
  }
}
