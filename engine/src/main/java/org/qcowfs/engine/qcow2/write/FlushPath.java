package org.qcowfs.engine.qcow2.write;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.refcount.Refcounts;

/**
 * Makes the image durable, in the order rules W1 and W2 need:
 *
 * <pre>
 *   refcount blocks -> (sync, refcount table) -> sync with the data -> L2 tables -> (sync, L1 table)
 *   -> sync -> references that are durably gone may be given back
 * </pre>
 *
 * What is written is a copy, taken under the metadata lock at the start; changes made meanwhile are
 * the next flush's. A sync that fails makes the image FAILED (rule W7); a write that fails leaves
 * everything to be written again.
 *
 * <p><b>Thread safety:</b> safe; callers that arrive while a flush runs share the next one.
 */
final class FlushPath {
  /** Dirty metadata that starts a flush of its own accord. */
  private static final long MAX_DIRTY_BYTES = 4 << 20;

  /** Copies of metadata on their way to the file. */
  private static final class Batch {
    private DataBuffer bytes = DataBuffer.allocate(1 << 16);
    private long[] targets = new long[64];
    private int count;
    private int used;

    void clear() {
      count = 0;
      used = 0;
    }

    boolean isEmpty() {
      return count == 0;
    }

    void add(long hostOffset, ByteBuffer piece) {
      int length = piece.limit();
      if (used + length > bytes.capacity()) {
        DataBuffer larger = DataBuffer.allocate(Math.max(bytes.capacity() * 2, used + length));
        larger.bytes().put(0, bytes.bytes(), 0, used);
        bytes = larger;
      }
      if (count * 3 + 3 > targets.length) {
        targets = Arrays.copyOf(targets, targets.length * 2);
      }
      bytes.bytes().put(used, piece, 0, length);
      targets[count * 3] = hostOffset;
      targets[count * 3 + 1] = used;
      targets[count * 3 + 2] = length;
      count++;
      used += length;
    }

    void write(HostFile file) throws ImageException {
      for (int i = 0; i < count; i++) {
        file.write(targets[i * 3], bytes, (int) targets[i * 3 + 1], (int) targets[i * 3 + 2]);
      }
    }
  }

  private final HostFile file;
  private final HostFile dataFile;
  private final ReentrantLock flushLock = new ReentrantLock();
  private final ReentrantLock metadataLock;
  private final Refcounts refcounts;
  private final ActiveTables tables;
  private final PendingFrees frees;
  private final Batch blocks = new Batch();
  private final Batch refcountTable = new Batch();
  private final Batch l2 = new Batch();
  private final Batch l1 = new Batch();
  private final AtomicLong requests = new AtomicLong();

  /** The requests that the last successful flush covers. */
  private volatile long covered;

  private final AtomicLong flushes = new AtomicLong();

  private volatile boolean failed;
  private volatile boolean corrupt;

  FlushPath(
      HostFile file,
      HostFile dataFile,
      ReentrantLock metadataLock,
      Refcounts refcounts,
      ActiveTables tables,
      PendingFrees frees) {
    this.file = file;
    this.dataFile = dataFile;
    this.metadataLock = metadataLock;
    this.refcounts = refcounts;
    this.tables = tables;
    this.frees = frees;
  }

  /** The lock that keeps flushes out; taken before the metadata lock. */
  ReentrantLock lock() {
    return flushLock;
  }

  /**
   * Refuses to go on after a failed sync, or in an image that turned out to be corrupt.
   *
   * @throws ImageException kind {@code FAILED}
   */
  void checkState() throws ImageException {
    if (corrupt) {
      throw new ImageException(
          ErrorKind.FAILED,
          file.path(),
          "the image is corrupt and takes no more writes; repair it with 'qcowfs check -r all'");
    }
    if (failed) {
      throw new ImageException(
          ErrorKind.FAILED,
          file.path(),
          "an earlier flush failed: the image takes no more writes until it is opened again");
    }
  }

  /** The image takes no more writes, because its metadata contradicts itself. */
  void refuseCorrupt() {
    corrupt = true;
    failed = true;
  }

  boolean isCorrupt() {
    return corrupt;
  }

  /** The image takes no more writes. */
  void fail() {
    failed = true;
  }

  /** Makes everything done before the call durable. */
  void flush() throws ImageException {
    long request = requests.incrementAndGet();
    flushLock.lock();
    try {
      checkState();
      if (covered >= request) {
        return;
      }
      long covers = requests.get();
      flushOnce();
      covered = covers;
      flushes.incrementAndGet();
    } finally {
      flushLock.unlock();
    }
  }

  /**
   * Flushes, and gives back what no reader can be using any more.
   *
   * @return whether that was all: nothing is dirty, and nothing waits to be given back
   */
  boolean settle() throws ImageException {
    flush();
    flushLock.lock();
    try {
      frees.retire();
      metadataLock.lock();
      try {
        return !refcounts.stored().isDirty() && !tables.isDirty() && frees.isEmpty();
      } finally {
        metadataLock.unlock();
      }
    } finally {
      flushLock.unlock();
    }
  }

  /** Times everything was made durable. */
  long flushes() {
    return flushes.get();
  }

  /** Flushes if more metadata waits than memory should hold. */
  void flushIfLarge() throws ImageException {
    boolean large;
    metadataLock.lock();
    try {
      large = refcounts.stored().dirtyBytes() + tables.dirtyBytes() > MAX_DIRTY_BYTES;
    } finally {
      metadataLock.unlock();
    }
    if (large) {
      flush();
    }
  }

  private void flushOnce() throws ImageException {
    boolean metadata;
    metadataLock.lock();
    try {
      metadata = refcounts.stored().isDirty() || tables.isDirty();
      refcounts.stored().takeDirty(blocks::add, refcountTable::add);
      tables.takeDirty(l2::add, l1::add);
      frees.flushBegins();
    } finally {
      metadataLock.unlock();
    }
    boolean success = false;
    try {
      if (metadata) {
        writeInOrder();
      } else {
        syncData();
      }
      success = true;
    } finally {
      blocks.clear();
      refcountTable.clear();
      l2.clear();
      l1.clear();
      metadataLock.lock();
      try {
        refcounts.stored().flushed(success);
        tables.flushed(success);
      } finally {
        metadataLock.unlock();
      }
      frees.flushEnded(success);
    }
  }

  private void writeInOrder() throws ImageException {
    blocks.write(file);
    if (!refcountTable.isEmpty()) {
      sync(file);
      refcountTable.write(file);
    }
    syncData();
    if (l2.isEmpty() && l1.isEmpty()) {
      return;
    }
    l2.write(file);
    if (!l1.isEmpty()) {
      if (!l2.isEmpty()) {
        sync(file);
      }
      l1.write(file);
    }
    sync(file);
  }

  private void syncData() throws ImageException {
    if (dataFile != file) {
      sync(dataFile);
    }
    sync(file);
  }

  private void sync(HostFile target) throws ImageException {
    try {
      target.sync();
    } catch (ImageException e) {
      failed = true;
      throw e;
    }
  }
}
