package org.qcowfs.fuse.tree;

import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;

/**
 * A disk that is written while it is mounted.
 *
 * <p>While somebody has it open for writing the kernel may hold bytes that have not reached us: in
 * its writeback cache, or in a page that a program has mapped. Whoever asks where data is must have
 * them written back first, or a copier that skips holes loses them.
 *
 * <p><b>Thread safety:</b> any thread; {@link #nextData}, {@link #nextHole} and {@link #writeBack}
 * only one that {@link KernelCache} allows.
 */
final class LiveDisk {
  private static final long FIRST_WINDOW = 64 << 10;

  /** A write of this length is part of a long run, most of which its fsync would wait for. */
  private static final int LONG_WRITE = 512 << 10;

  private final Image image;
  private final WritePolicy policy;
  private final boolean unmapZeroes;
  private final AtomicInteger writers = new AtomicInteger();
  private volatile KernelCache kernel = KernelCache.NONE;
  private volatile long changedMillis;
  private volatile @Nullable ImageException failure;

  /** Before anybody uses {@code image}. */
  LiveDisk(Image image, WritePolicy policy) {
    this.image = image;
    this.policy = policy;
    this.unmapZeroes = policy.discard() && policy.detectZeroes() == DetectZeroes.UNMAP;
  }

  Image image() {
    return image;
  }

  WritePolicy policy() {
    return policy;
  }

  void attach(KernelCache attached) {
    kernel = attached;
  }

  /** Why the latest flush failed; null if it did not. */
  @Nullable ImageException failure() {
    return failure;
  }

  /** When it was last changed, in milliseconds since the epoch; 0 if it was not. */
  long changedMillis() {
    return changedMillis;
  }

  void writerCame() {
    writers.incrementAndGet();
  }

  void writerWent() {
    writers.decrementAndGet();
  }

  /** Whether the kernel may hold bytes we have not seen. */
  boolean hasWriters() {
    return writers.get() > 0;
  }

  /** Fetches from the kernel everything written so far. */
  void writeBack() {
    if (hasWriters()) {
      kernel.writeBack(0, 0);
    }
  }

  void outgrown() {
    kernel.restoreSize();
  }

  /** As {@link WritableContent#growTo}. */
  void growTo(long size) throws ImageException {
    if (policy.growable() && size > image.size()) {
      image.grow(size);
      changedMillis = System.currentTimeMillis();
    }
  }

  void write(long offset, DataBuffer src, int position, int length, boolean durable)
      throws ImageException {
    if (policy.detectZeroes() != DetectZeroes.OFF && isZero(src.bytes(), position, length)) {
      image.zero(offset, length, unmapZeroes);
    } else {
      image.write(offset, src, position, length);
    }
    changedMillis = System.currentTimeMillis();
    if (policy.cache().durableWrites() || durable) {
      flush();
    } else if (length >= LONG_WRITE && !policy.cache().ignoresFlush()) {
      image.startWriteout(offset, length);
    }
  }

  private static boolean isZero(ByteBuffer bytes, int position, int length) {
    int at = position;
    int end = position + length;
    for (; at + Long.BYTES <= end; at += Long.BYTES) {
      if (bytes.getLong(at) != 0) {
        return false;
      }
    }
    for (; at < end; at++) {
      if (bytes.get(at) != 0) {
        return false;
      }
    }
    return true;
  }

  void zero(long offset, long length) throws ImageException {
    image.zero(offset, length, policy.discard());
    changedMillis = System.currentTimeMillis();
    if (policy.cache().durableWrites()) {
      flush();
    }
  }

  void allocate(long offset, long length) throws ImageException {
    image.allocate(offset, length);
    changedMillis = System.currentTimeMillis();
    if (policy.cache().durableWrites()) {
      flush();
    }
  }

  /** Makes what was written durable, if the cache mode has it so. */
  void flush() throws ImageException {
    if (!policy.cache().ignoresFlush()) {
      flushNow();
    }
  }

  /** Makes what was written durable. */
  void flushNow() throws ImageException {
    try {
      image.flush();
      failure = null;
    } catch (ImageException e) {
      failure = e;
      throw e;
    }
  }

  /** As {@link Image#nextData}, with what the kernel holds. */
  long nextData(long offset) throws ImageException {
    long data = image.nextData(offset);
    if (data == offset || !hasWriters()) {
      return data;
    }
    kernel.writeBack(offset, (data < 0 ? image.size() : data) - offset);
    return image.nextData(offset);
  }

  /** As {@link Image#nextHole}, with what the kernel holds. */
  long nextHole(long offset) throws ImageException {
    long hole = image.nextHole(offset);
    // Only the beginning of a hole decides, so that the rest of it stays in the kernel's cache; a
    // growing beginning, so that a hole written full is not fetched in a thousand steps.
    long size = image.size();
    for (long window = FIRST_WINDOW; hole < size && hasWriters(); window *= 2) {
      kernel.writeBack(hole, Math.min(window, size - hole));
      long again = image.nextHole(hole);
      if (again == hole) {
        break;
      }
      hole = again;
    }
    return hole;
  }
}
