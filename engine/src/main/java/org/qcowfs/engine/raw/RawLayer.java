package org.qcowfs.engine.raw;

import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.layer.BackingReference;
import org.qcowfs.engine.layer.Growable;
import org.qcowfs.engine.layer.Mapping;
import org.qcowfs.engine.layer.RangeCopy;
import org.qcowfs.engine.layer.WritableLayer;
import org.qcowfs.engine.model.ImageInfo;
import org.qcowfs.engine.model.WriteStatistics;

/**
 * A raw image: the file is the disk.
 *
 * <p>Its size is taken at open; a file that shrinks later fails to read, one that somebody else
 * makes longer shows what it had.
 */
public final class RawLayer implements WritableLayer, Growable, RangeCopy {
  private final HostFile file;
  private volatile long size;

  /** Rule W7: whether a flush has failed, so that nothing more is written. */
  private volatile boolean failed;

  private final AtomicLong flushes = new AtomicLong();

  /** Takes over {@code file}: it is closed with the layer. */
  public RawLayer(HostFile file) throws ImageException {
    this.file = file;
    this.size = file.length();
  }

  @Override
  public HostFile file() {
    return file;
  }

  @Override
  public long size() {
    return size;
  }

  @Override
  public @Nullable BackingReference backing() {
    return null;
  }

  @Override
  public void map(long guestOffset, long length, Mapping out) {
    out.setData(file, guestOffset, Math.min(length, size - guestOffset));
  }

  @Override
  public void readCompressed(
      Mapping mapping, long guestOffset, DataBuffer dst, int position, int length) {
    throw new IllegalArgumentException("a raw image has no compressed clusters");
  }

  @Override
  public void readThrough(GuestReader reader) {}

  @Override
  public int beginRead() {
    return 0;
  }

  @Override
  public void endRead(int token) {}

  @Override
  public boolean writable() {
    return file.writable();
  }

  @Override
  public void write(long guestOffset, DataBuffer src, int position, int length)
      throws ImageException {
    checkState();
    file.write(guestOffset, src, position, length);
  }

  @Override
  public int copyRangeUnit() {
    return 1;
  }

  @Override
  public long copyRange(long guestOffset, HostFile source, long hostOffset, long length)
      throws ImageException {
    checkState();
    return file.cloneFrom(source, hostOffset, guestOffset, length) ? length : 0;
  }

  @Override
  public void zero(long guestOffset, long length, boolean unmap) throws ImageException {
    checkState();
    if (length > 0 && (!unmap || !file.punchHole(guestOffset, length))) {
      file.zeroRange(guestOffset, length);
    }
  }

  @Override
  public void zeroHere(long guestOffset, long length) throws ImageException {
    zero(guestOffset, length, true);
  }

  @Override
  public void endWrites() throws ImageException {
    flush();
  }

  @Override
  public void allocate(long guestOffset, long length) throws ImageException {
    checkState();
    file.allocate(guestOffset, length);
  }

  @Override
  public void flush() throws ImageException {
    checkState();
    try {
      file.sync();
      flushes.incrementAndGet();
    } catch (ImageException e) {
      failed = true;
      throw e;
    }
  }

  @Override
  public void allowGrowth() {}

  @Override
  public synchronized void grow(long newSize, long backingSize) throws ImageException {
    checkState();
    if (newSize <= size) {
      return;
    }
    if (!file.resizable()) {
      throw new ImageException(
          ErrorKind.NO_SPACE, file.path(), "the device ends at " + size + " bytes");
    }
    file.truncate(newSize);
    size = newSize;
  }

  @Override
  public WriteStatistics writeStatistics() {
    return new WriteStatistics(0, 0, flushes.get());
  }

  private void checkState() throws ImageException {
    if (failed) {
      throw new ImageException(
          ErrorKind.FAILED,
          file.path(),
          "an earlier flush failed: the image takes no more writes until it is opened again");
    }
  }

  @Override
  public ImageInfo info() throws ImageException {
    return new ImageInfo(
        file.path(),
        "raw",
        size,
        file.allocatedBytes(),
        0,
        false,
        false,
        null,
        null,
        List.of(),
        null);
  }

  @Override
  public void close() throws ImageException {
    file.close();
  }
}
