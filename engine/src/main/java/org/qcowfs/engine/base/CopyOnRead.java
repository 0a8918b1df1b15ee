package org.qcowfs.engine.base;

import com.kenai.jffi.MemoryIO;
import java.lang.ref.Reference;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Consumer;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.layer.CopyUp;
import org.qcowfs.engine.layer.Layer;
import org.qcowfs.engine.layer.Mapping;
import org.qcowfs.engine.layer.WritableLayer.GuestReader;

/**
 * Reads what the top layer does not have, and has it keep what was read.
 *
 * <p>A copy that fails (a full disk, a failed image) is logged and the last one; the reads go on.
 *
 * <p><b>Thread safety:</b> safe; each thread that reads parts of units has a buffer of the size of
 * a unit, at least 1 MiB.
 */
public final class CopyOnRead {
  private static final int MIN_BUFFER = 1 << 20;
  private static final ThreadLocal<Mapping> MAPPING = ThreadLocal.withInitial(Mapping::new);

  private final Layer top;
  private final CopyUp target;
  private final GuestReader disk;
  private final Consumer<String> log;
  private final int unit;
  private final int most;
  private final ThreadLocal<DataBuffer> buffers;
  private final AtomicInteger underWay = new AtomicInteger();

  /** Held for reading while something is kept, so that {@link #stop} can wait for that. */
  private final ReentrantReadWriteLock keeping = new ReentrantReadWriteLock();

  private volatile boolean stopped;

  /**
   * @param top the top layer, open for writing
   * @param target the same
   * @param disk the whole disk, read without copying
   * @param log receives the line that says why no more is copied
   */
  public CopyOnRead(Layer top, CopyUp target, GuestReader disk, Consumer<String> log) {
    this.top = top;
    this.target = target;
    this.disk = disk;
    this.log = log;
    this.unit = target.copyUnit();
    this.most = Math.max(MIN_BUFFER, unit);
    this.buffers = ThreadLocal.withInitial(() -> DataBuffer.allocate(most));
  }

  /** Whether what is read is still copied. */
  public boolean isOn() {
    return !stopped;
  }

  /** Bytes that are kept together, see {@link CopyUp#copyUnit}. */
  public int unit() {
    return unit;
  }

  /** Reads from the layers below that are under way. */
  public int underWay() {
    return underWay.get();
  }

  /** Nothing is kept once this has returned, whatever a read that still hangs may bring. */
  public void stop() {
    keeping.writeLock().lock();
    stopped = true;
    keeping.writeLock().unlock();
  }

  /**
   * Reads a range that begins with bytes the top layer did not have a moment ago.
   *
   * @param length bytes wanted, at least 1
   * @return bytes read, at least 1
   * @throws ImageException if they cannot be read
   */
  public int read(long guestOffset, DataBuffer dst, int position, int length)
      throws ImageException {
    underWay.incrementAndGet();
    try {
      return readBelow(guestOffset, dst, position, length);
    } finally {
      underWay.decrementAndGet();
    }
  }

  private int readBelow(long guestOffset, DataBuffer dst, int position, int length)
      throws ImageException {
    Mapping mapping = MAPPING.get();
    top.map(guestOffset, length, mapping);
    int n = (int) mapping.length();
    if (mapping.kind() != Mapping.Kind.UNALLOCATED) {
      disk.read(guestOffset, dst, position, n);
      return n;
    }
    long from = guestOffset & -unit;
    long end = Math.min(guestOffset + n, from + most);
    long to = Math.min(top.size(), end + unit - 1 & -unit);
    n = (int) (end - guestOffset);
    if (from == guestOffset && to == end) {
      disk.read(guestOffset, dst, position, n);
      keep(guestOffset, dst, position, n);
      return n;
    }
    DataBuffer whole = buffers.get();
    try {
      disk.read(from, whole, 0, (int) (to - from));
    } catch (ImageException e) {
      // Perhaps only the rest of the unit is unreadable, and nobody asked for that.
      disk.read(guestOffset, dst, position, n);
      return n;
    }
    MemoryIO.getInstance()
        .copyMemory(whole.address() + (guestOffset - from), dst.address() + position, n);
    Reference.reachabilityFence(dst);
    keep(from, whole, 0, (int) (to - from));
    return n;
  }

  private void keep(long guestOffset, DataBuffer src, int position, int length) {
    ImageException failure = null;
    keeping.readLock().lock();
    try {
      if (!stopped) {
        target.copyUp(guestOffset, src, position, length);
      }
    } catch (ImageException e) {
      failure = e;
    } finally {
      keeping.readLock().unlock();
    }
    if (failure != null && ended()) {
      log.accept("what is read is copied no more: " + failure.getMessage());
    }
  }

  /** Whether this call ended the copying. */
  private synchronized boolean ended() {
    boolean first = !stopped;
    stopped = true;
    return first;
  }
}
