package org.qcowfs.engine;

import java.io.Closeable;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.base.CopyOnRead;
import org.qcowfs.engine.base.Prefetch;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.json.CheckJson;
import org.qcowfs.engine.layer.Compressing;
import org.qcowfs.engine.layer.CopyUp;
import org.qcowfs.engine.layer.Growable;
import org.qcowfs.engine.layer.Layer;
import org.qcowfs.engine.layer.Mapping;
import org.qcowfs.engine.layer.Preallocated;
import org.qcowfs.engine.layer.RangeCopy;
import org.qcowfs.engine.layer.Snapshotted;
import org.qcowfs.engine.layer.WritableLayer;
import org.qcowfs.engine.model.ImageInfo;
import org.qcowfs.engine.model.ImageStatistics;
import org.qcowfs.engine.model.ImageStatistics.LayerStatistics;
import org.qcowfs.engine.model.SnapshotInfo;
import org.qcowfs.engine.model.WriteStatistics;
import org.qcowfs.engine.qcow2.check.CheckResult;
import org.qcowfs.engine.qcow2.check.Checker;

/**
 * An open disk: a chain of layers seen as one flat range of {@link #size()} bytes.
 *
 * <p>{@link #snapshot}, {@link #vmState} and {@link #layer} give further views of the same open
 * files; closing the image they came from closes them all, closing a view does nothing.
 *
 * <p><b>Thread safety:</b> all methods but {@link #close()} may be called from any thread at once.
 */
public final class Image implements Closeable {
  private final Chain chain;
  private final boolean owner;

  private final ReadPath reads;

  /** What keeps a copy of what is read from below; null while nothing is kept. */
  private volatile @Nullable CopyOnRead copying;

  private volatile @Nullable Prefetch prefetch;

  private volatile long allocatedBytes = -1;

  /** Counts of the disk this is a view of; null while nobody asks. */
  private @Nullable Traffic traffic;

  private Image(Layer[] layers, boolean owner, @Nullable Traffic traffic) {
    this.chain = new Chain(layers);
    this.owner = owner;
    this.reads = new ReadPath(chain);
    count(traffic);
  }

  private void count(@Nullable Traffic counted) {
    traffic = counted;
    reads.count(counted);
  }

  /** Takes over an opened chain, the top layer first. */
  static Image over(List<Layer> opened) throws ImageException {
    Image image = new Image(opened.toArray(Layer[]::new), true, null);
    try {
      if (image.chain.top() instanceof WritableLayer top) {
        top.readThrough(image.new Visible());
      }
      return image;
    } catch (ImageException | RuntimeException e) {
      try {
        image.close();
      } catch (ImageException closing) {
        e.addSuppressed(closing);
      }
      throw e;
    }
  }

  /** What the top layer sees of the disk when it copies on write. */
  private final class Visible implements WritableLayer.GuestReader {
    @Override
    public void read(long guestOffset, DataBuffer dst, int position, int length)
        throws ImageException {
      // Without copying: who asks may have the range locked.
      reads.read(guestOffset, dst, position, length, null);
    }

    @Override
    public boolean readsAsZero(long guestOffset, long length) {
      return chain.readsAsZero(guestOffset, length, ReadPath.scratch());
    }
  }

  /** The guest disk's size in bytes. */
  public long size() {
    return chain.top().size();
  }

  /** Layers in the chain, at least 1. */
  public int depth() {
    return chain.depth();
  }

  /** The path of layer {@code depth}'s image file; 0 is the top. */
  public String path(int depth) {
    return chain.layer(depth).file().path();
  }

  /** What {@code info} shows of layer {@code depth}; 0 is the top. */
  public ImageInfo info(int depth) throws ImageException {
    return chain.layer(depth).info();
  }

  /** Whether layer {@code depth} was preallocated, see {@link Preallocated}; 0 is the top. */
  public boolean isPreallocated(int depth) {
    return chain.layer(depth) instanceof Preallocated layer && layer.isPreallocated();
  }

  /** What {@code info} shows of the top layer. */
  public ImageInfo info() throws ImageException {
    return info(0);
  }

  /** The top layer's internal snapshots in table order; none for a format without them. */
  public List<SnapshotInfo> snapshots() {
    return chain.top() instanceof Snapshotted top ? top.snapshots() : List.of();
  }

  /**
   * The disk as it was at a snapshot, over the same backing chain.
   *
   * @throws ImageException kind {@code CORRUPT} if the snapshot's L1 table cannot be used
   */
  public Image snapshot(SnapshotInfo snapshot) throws ImageException {
    Layer[] view = chain.layers();
    view[0] = snapshotted().snapshot(snapshot);
    return new Image(view, false, traffic);
  }

  /**
   * A snapshot's virtual-machine state as a flat range of {@link SnapshotInfo#vmStateSize()} bytes.
   *
   * @throws ImageException kind {@code CORRUPT} if the snapshot's L1 table cannot be used
   */
  public Image vmState(SnapshotInfo snapshot) throws ImageException {
    return new Image(new Layer[] {snapshotted().vmState(snapshot)}, false, null);
  }

  /** The disk as layer {@code depth} and everything below it show it; 0 is the disk itself. */
  public Image layer(int depth) {
    Layer[] layers = chain.layers();
    Layer[] below = Arrays.copyOfRange(layers, depth, layers.length);
    return new Image(below, false, traffic == null ? null : traffic.below(depth));
  }

  /**
   * From now on counts for {@link #statistics}, in this view and those made from it later. Called
   * before other threads have it: reads of a disk that nobody asks about cost nothing more.
   */
  public void count() {
    count(new Traffic(chain.depth()));
  }

  /** What was done since {@link #count}, which must have been called; writes, since the opening. */
  public ImageStatistics statistics() {
    Traffic counted = traffic;
    if (counted == null) {
      throw new IllegalStateException("not counting");
    }
    List<LayerStatistics> layers = new ArrayList<>();
    for (int depth = 0; depth < chain.depth(); depth++) {
      layers.add(new LayerStatistics(path(depth), counted.reads(depth), counted.bytes(depth)));
    }
    long misses = counted.misses();
    return new ImageStatistics(
        Math.max(0, counted.lookups() - misses),
        misses,
        chain.top() instanceof WritableLayer top
            ? top.writeStatistics()
            : new WriteStatistics(0, 0, 0),
        layers);
  }

  private Snapshotted snapshotted() {
    if (chain.top() instanceof Snapshotted top) {
      return top;
    }
    throw new IllegalStateException("no snapshots in this format");
  }

  /**
   * Reads guest bytes.
   *
   * @param guestOffset first byte; {@code guestOffset + length} is at most {@link #size()}
   * @param dst receives the bytes from {@code position} on
   * @throws ImageException if any byte of the range cannot be read; {@code dst} is then undefined
   */
  public void read(long guestOffset, DataBuffer dst, int position, int length)
      throws ImageException {
    checkRange(guestOffset, length);
    CopyOnRead keeper = copying;
    reads.read(guestOffset, dst, position, length, keeper != null && keeper.isOn() ? keeper : null);
    reads.countLookups();
  }

  /**
   * Says where the guest range at {@code guestOffset} lives, through the whole chain.
   *
   * @param out the answer with the answering layer's depth; {@code UNALLOCATED} means that no layer
   *     has it (it reads as zeroes) and then names the last layer asked: the lowest that is as long
   */
  public void resolve(long guestOffset, long length, Mapping out) {
    chain.resolve(guestOffset, length, out);
  }

  /**
   * As {@link #resolve}, and what the host file has no blocks for comes as zero: {@code ZERO} with
   * the host offset kept. Exact to the host's own block size.
   */
  public void extent(long guestOffset, long length, Mapping out) throws ImageException {
    chain.extent(guestOffset, length, out);
  }

  /**
   * The first data at or after {@code guestOffset} ({@code SEEK_DATA}): bytes that a layer stores,
   * neither zero by metadata nor a hole of the host. What is damaged counts as data, so that who
   * copies only data meets the error.
   *
   * @return its guest offset, or -1 if only holes follow
   */
  public long nextData(long guestOffset) throws ImageException {
    long found = chain.next(guestOffset, true, ReadPath.scratch());
    reads.countLookups();
    return found;
  }

  /**
   * The first hole at or after {@code guestOffset} ({@code SEEK_HOLE}).
   *
   * @return its guest offset; the end of the disk counts as one
   */
  public long nextHole(long guestOffset) throws ImageException {
    long found = chain.next(guestOffset, false, ReadPath.scratch());
    reads.countLookups();
    return found < 0 ? size() : found;
  }

  /**
   * Guest bytes that are data in the sense of {@link #nextData}: walks the map, and of a disk that
   * takes no writes remembers the answer.
   */
  public long allocatedBytes() throws ImageException {
    long known = allocatedBytes;
    if (known < 0) {
      known = 0;
      for (long at = nextData(0); at >= 0; ) {
        long end = nextHole(at);
        known += end - at;
        at = end < size() ? nextData(end) : -1;
      }
      if (!writable()) {
        allocatedBytes = known;
      }
    }
    return known;
  }

  /**
   * Checks the metadata of the top layer's file and writes the result as {@code check
   * --output=json} does. A file that is being written to, and one without metadata, is not checked;
   * the document then says {@code "checked": false}.
   *
   * @param out receives the document, in ASCII
   */
  public void writeCheck(Appendable out) throws IOException {
    HostFile file = chain.top().file();
    String format = info().format();
    CheckResult result =
        file.writable() || !format.equals("qcow2") ? null : Checker.check(file, finding -> {});
    CheckJson.write(file.path(), format, result, out);
  }

  /**
   * From now on the top layer keeps a copy of what {@link #read} fetches from the layers below.
   *
   * @param log receives a line if that ends because a copy failed; reading goes on then
   * @throws ImageException kind {@code READ_ONLY} or {@code UNSUPPORTED} if the top layer cannot
   */
  public void copyOnRead(Consumer<String> log) throws ImageException {
    keeper(log);
  }

  private CopyOnRead keeper(Consumer<String> log) throws ImageException {
    if (!(top() instanceof CopyUp target)) {
      throw new ImageException(
          ErrorKind.UNSUPPORTED, path(0), "the image's format keeps no copy of what is below it");
    }
    CopyOnRead keeper = new CopyOnRead(chain.top(), target, new Visible(), log);
    copying = keeper;
    return keeper;
  }

  /**
   * As {@link #copyOnRead}, with everything below to be copied in the background once the result is
   * started; {@link #close} ends that.
   *
   * @param bytesPerSecond the most that is copied, or 0 for no limit
   * @param log receives a line for each tenth, and one at the end
   */
  public Prefetch newPrefetch(long bytesPerSecond, Consumer<String> log) throws ImageException {
    Prefetch created = new Prefetch(this, keeper(log), bytesPerSecond, log);
    prefetch = created;
    return created;
  }

  /** What copies everything into the top layer; null if nothing does. */
  public @Nullable Prefetch prefetch() {
    return prefetch;
  }

  /**
   * From now on this view of the disk asks no layer but the top: whatever that does not have reads
   * as zeroes, by the caller's word. Above a backing file it never has less than now.
   */
  public void topHasAll() {
    chain.askTopOnly();
  }

  /** Whether the disk takes writes. */
  public boolean writable() {
    return chain.top() instanceof WritableLayer top && top.writable();
  }

  /**
   * Writes guest bytes into the top layer; see {@link WritableLayer} for what a failure leaves.
   *
   * @param guestOffset first byte; {@code guestOffset + length} is at most {@link #size()}
   */
  public void write(long guestOffset, DataBuffer src, int position, int length)
      throws ImageException {
    checkRange(guestOffset, length);
    top().write(guestOffset, src, position, length);
  }

  /**
   * The disk as a file channel of {@link #size()} bytes with a position of its own, at first 0.
   * Heap and direct buffers will do.
   *
   * <ul>
   *   <li>A read ends at the end of the disk, and is -1 there.
   *   <li>A write over the end of the disk writes what fits and says how much that was; one that
   *       begins there fails with kind {@code OUT_OF_BOUNDS}. If the disk takes no writes: {@link
   *       java.nio.channels.NonWritableChannelException}.
   *   <li>{@code truncate} leaves the disk as it is; to less than its size it fails with kind
   *       {@code UNSUPPORTED} ({@link org.qcowfs.engine.change.Resize} shrinks an image nobody has
   *       open).
   *   <li>{@code force} is {@link #flush}. Closing the channel closes and flushes nothing. After
   *       the image has been closed a channel must not be used.
   *   <li>{@code map}, {@code lock} and {@code tryLock} are {@link UnsupportedOperationException}s:
   *       an image that is open is locked as a whole.
   *   <li>Errors are {@link ImageException}s. One in the middle of a long request leaves the
   *       buffer's position and the channel's behind what went well before it.
   * </ul>
   *
   * <p><b>Thread safety:</b> any thread. Requests at a position that is passed run at once; those
   * at the channel's own wait for each other.
   */
  public FileChannel channel() {
    return new ImageChannel(this);
  }

  /**
   * What stores compressed clusters in the top layer, or null where its format has none or it takes
   * no writes.
   */
  public @Nullable Compressing compressing() {
    return writable() && chain.top() instanceof Compressing top ? top : null;
  }

  /** What copies ranges of files into the top layer, or null where it cannot or takes no writes. */
  public @Nullable RangeCopy rangeCopy() {
    return writable() && chain.top() instanceof RangeCopy top ? top : null;
  }

  /**
   * Makes a guest range read as zeroes, at any alignment.
   *
   * @param unmap whether host space may be given back
   */
  public void zero(long guestOffset, long length, boolean unmap) throws ImageException {
    checkRange(guestOffset, length);
    top().zero(guestOffset, length, unmap);
  }

  /**
   * Says that {@link #grow} may come; before a second thread uses the image.
   *
   * @throws ImageException if the disk takes no writes
   */
  public void allowGrowth() throws ImageException {
    if (top() instanceof Growable growable) {
      growable.allowGrowth();
    }
  }

  /**
   * Makes the disk at least {@code newSize} bytes long, as {@link Growable#grow} does; its
   * snapshots keep their size.
   */
  public void grow(long newSize) throws ImageException {
    if (top() instanceof Growable growable) {
      growable.grow(newSize, chain.depth() > 1 ? chain.layer(1).size() : 0);
    }
  }

  /** As {@link WritableLayer#zeroHere}. */
  public void zeroHere(long guestOffset, long length) throws ImageException {
    checkRange(guestOffset, length);
    top().zeroHere(guestOffset, length);
  }

  /**
   * Makes everything durable and ends writing, so that the image's header can be changed. After it
   * nothing but {@link #close} may be called.
   *
   * @return the top layer's file, still open and locked
   */
  public HostFile endWrites() throws ImageException {
    top().endWrites();
    return chain.top().file();
  }

  /** Reserves host space for a guest range without changing what it reads as. */
  public void allocate(long guestOffset, long length) throws ImageException {
    checkRange(guestOffset, length);
    top().allocate(guestOffset, length);
  }

  /**
   * Has the host begin to write a guest range of the top layer to its disk; waits for nothing and
   * promises nothing. For long runs whose flush is near.
   */
  public void startWriteout(long guestOffset, long length) {
    checkRange(guestOffset, length);
    Mapping mapping = ReadPath.scratch();
    for (long at = guestOffset; at < guestOffset + length; at += mapping.length()) {
      resolve(at, guestOffset + length - at, mapping);
      if (mapping.kind() == Mapping.Kind.DATA && mapping.depth() == 0) {
        mapping.dataFile().startWriteout(mapping.hostOffset(), mapping.length());
      }
    }
  }

  /** Makes everything written before the call durable; does nothing on a read-only image. */
  public void flush() throws ImageException {
    if (writable()) {
      top().flush();
    }
  }

  /** As {@link Snapshotted.Writable#createSnapshot}. */
  public SnapshotInfo createSnapshot(String name) throws ImageException {
    return writableSnapshots().createSnapshot(name);
  }

  /** As {@link Snapshotted.Writable#deleteSnapshot}. */
  public void deleteSnapshot(SnapshotInfo snapshot) throws ImageException {
    writableSnapshots().deleteSnapshot(snapshot);
  }

  /** As {@link Snapshotted.Writable#applySnapshot}. */
  public void applySnapshot(SnapshotInfo snapshot) throws ImageException {
    writableSnapshots().applySnapshot(snapshot);
  }

  private Snapshotted.Writable writableSnapshots() throws ImageException {
    if (top() instanceof Snapshotted.Writable snapshotted) {
      return snapshotted;
    }
    throw new ImageException(
        ErrorKind.UNSUPPORTED, path(0), "the image's format has no internal snapshots");
  }

  private WritableLayer top() throws ImageException {
    if (chain.top() instanceof WritableLayer top && top.writable()) {
      return top;
    }
    throw new ImageException(ErrorKind.READ_ONLY, path(0), "Image is opened read-only");
  }

  private void checkRange(long guestOffset, long length) {
    long size = size();
    if (guestOffset < 0 || length < 0 || guestOffset > size - length) {
      throw new IllegalArgumentException(
          "range " + guestOffset + "+" + length + " is outside the disk of " + size + " bytes");
    }
  }

  /** Closes every file of the chain; does nothing on a view. */
  @Override
  public void close() throws ImageException {
    if (!owner) {
      return;
    }
    Prefetch running = prefetch;
    if (running != null) {
      running.close();
    }
    CopyOnRead keeper = copying;
    if (keeper != null) {
      keeper.stop();
    }
    ImageException failure = null;
    for (Layer layer : chain.layers()) {
      try {
        layer.close();
      } catch (ImageException e) {
        failure = failure == null ? e : failure;
      }
    }
    if (failure != null) {
      throw failure;
    }
  }
}
