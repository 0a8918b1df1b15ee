package org.qcowfs.fuse.tree;

import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.model.SnapshotInfo;

/**
 * Who looks at a snapshot: nobody may while it is deleted, and it cannot be deleted while a file of
 * it is open.
 *
 * <p><b>Thread safety:</b> any thread.
 */
final class SnapshotUse {
  /** Something that looks at the snapshot. */
  interface Look<T> {
    T look() throws ImageException;
  }

  /** Deletes the snapshot from the image. */
  interface Deletion {
    void run() throws ImageException;
  }

  private final String image;
  private final SnapshotInfo snapshot;
  private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
  private int open;
  private boolean deleted;

  /**
   * @param image the image's path, for messages
   */
  SnapshotUse(String image, SnapshotInfo snapshot) {
    this.image = image;
    this.snapshot = snapshot;
  }

  /** The snapshot as it was first seen. */
  SnapshotInfo snapshot() {
    return snapshot;
  }

  /** Looks at the snapshot. */
  <T> T look(Look<T> action) throws ImageException {
    lock.readLock().lock();
    try {
      if (deleted) {
        throw new ImageException(ErrorKind.OUT_OF_BOUNDS, image, "the snapshot has been deleted");
      }
      return action.look();
    } finally {
      lock.readLock().unlock();
    }
  }

  synchronized void opened() {
    open++;
  }

  synchronized void released() {
    open--;
  }

  /**
   * Deletes the snapshot.
   *
   * @throws ImageException kind {@code IN_USE} if a file of it is open
   */
  void delete(Deletion action) throws ImageException {
    lock.writeLock().lock();
    try {
      synchronized (this) {
        if (open > 0) {
          throw new ImageException(ErrorKind.IN_USE, image, "a file of the snapshot is open");
        }
      }
      action.run();
      deleted = true;
    } finally {
      lock.writeLock().unlock();
    }
  }
}
