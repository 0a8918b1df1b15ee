package org.qcowfs.engine.qcow2.write;

import java.util.concurrent.locks.ReentrantLock;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.format.Geometry;
import org.qcowfs.engine.qcow2.refcount.Refcounts;

/**
 * References that are gone from memory and not yet given back (rule W2).
 *
 * <pre>
 *   unlinked --flush takes--> in flush --flush succeeds--> limbo --no reader left--> refcount - 1
 * </pre>
 *
 * <p><b>Thread safety:</b> {@link #unlinked} wants the metadata lock, {@link #retire} and {@link
 * #flushEnded} the flush lock, the others both.
 */
final class PendingFrees {
  private final Geometry geometry;
  private final Refcounts refcounts;
  private final ReentrantLock metadataLock;
  private final ReadGate readers;
  private final HostFile file;
  private final boolean punch;

  private final HostRanges unlinked = new HostRanges();
  private final HostRanges inFlush = new HostRanges();
  private final HostRanges limbo = new HostRanges();
  private long limboEpoch;

  /**
   * @param punch whether the host blocks of free clusters are given back
   */
  PendingFrees(
      Geometry geometry,
      Refcounts refcounts,
      ReentrantLock metadataLock,
      ReadGate readers,
      HostFile file,
      boolean punch) {
    this.geometry = geometry;
    this.refcounts = refcounts;
    this.metadataLock = metadataLock;
    this.readers = readers;
    this.file = file;
    this.punch = punch;
  }

  /** One reference to each cluster the range touches has been removed from the tables in memory. */
  void unlinked(long hostOffset, long length) {
    // To whole clusters: two compressed ranges that meet inside a cluster hold two references to
    // it, and must not be joined.
    long first = hostOffset & -geometry.clusterSize();
    long end = hostOffset + length + geometry.clusterSize() - 1 & -geometry.clusterSize();
    unlinked.add(first, end - first);
  }

  boolean isEmpty() {
    return unlinked.isEmpty() && inFlush.isEmpty() && limbo.isEmpty();
  }

  /** A flush begins: it makes durable what has been unlinked so far. */
  void flushBegins() {
    inFlush.takeAll(unlinked);
  }

  /** The flush ended; after a failure its references stay as they were. */
  void flushEnded(boolean success) throws ImageException {
    if (!success) {
      metadataLock.lock();
      try {
        unlinked.takeAll(inFlush);
      } finally {
        metadataLock.unlock();
      }
      return;
    }
    retire();
    if (!inFlush.isEmpty()) {
      limbo.takeAll(inFlush);
      limboEpoch = readers.epoch();
    }
    retire();
  }

  /** Gives back what no reader can be using any more. */
  void retire() throws ImageException {
    if (limbo.isEmpty()) {
      return;
    }
    readers.advance();
    if (readers.epoch() < limboEpoch + 2) {
      return;
    }
    try {
      for (int i = 0; i < limbo.size(); i++) {
        giveBack(limbo.offset(i), limbo.length(i));
      }
    } finally {
      limbo.clear(); // after a failure the rest leaks; giving anything back twice would be worse
    }
  }

  private void giveBack(long hostOffset, long length) throws ImageException {
    long size = geometry.clusterSize();
    long start = hostOffset & -size;
    long end = hostOffset + length + size - 1 & -size;
    boolean punched = punch && isOurs(start, end - start);
    if (punched) {
      punch(start, end - start); // still counted: nobody is given it meanwhile
    }
    metadataLock.lock();
    try {
      refcounts.change(start, end - start, -1);
      if (punch && !punched) {
        punchFree(start, end);
      }
    } finally {
      metadataLock.unlock();
    }
  }

  /** Whether the references given back are the last ones to all these clusters, and stay so. */
  private boolean isOurs(long hostOffset, long length) throws ImageException {
    metadataLock.lock();
    try {
      return refcounts.keepSingle(hostOffset, length);
    } finally {
      metadataLock.unlock();
    }
  }

  /** Punches what is free of a range in which other clusters are still in use. */
  private void punchFree(long start, long end) throws ImageException {
    for (long at = start; at < end; ) {
      long freeFrom = refcounts.endOfRun(at, end, false);
      at = refcounts.endOfRun(freeFrom, end, true);
      if (at > freeFrom) {
        punch(freeFrom, at - freeFrom);
      }
    }
  }

  private void punch(long hostOffset, long length) {
    try {
      file.punchHole(hostOffset, length);
    } catch (ImageException e) {
      // The cluster is free either way; only its host blocks stay.
    }
  }
}
