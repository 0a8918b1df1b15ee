package org.qcowfs.fuse.tree;

import java.util.Arrays;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/**
 * The open files of a mount by the handle the kernel knows them by, from 1 on.
 *
 * <p><b>Thread safety:</b> any thread; {@link #get} takes no lock.
 */
public final class OpenFiles {
  private final BitSet used = new BitSet();

  /** Replaced, never changed in place, so that readers need no lock. */
  private volatile @Nullable FileContent[] files = new FileContent[0];

  /** Remembers {@code file} and returns its handle. */
  public synchronized long add(FileContent file) {
    int slot = used.nextClearBit(0);
    used.set(slot);
    @Nullable FileContent[] grown = Arrays.copyOf(files, Math.max(files.length, slot + 1));
    grown[slot] = file;
    files = grown;
    return slot + 1L;
  }

  /** The file behind {@code handle}, or null if it is not open. */
  public @Nullable FileContent get(long handle) {
    @Nullable FileContent[] current = files;
    return handle >= 1 && handle <= current.length ? current[(int) handle - 1] : null;
  }

  /** Forgets {@code handle} and returns its file, or null if it was not open. */
  public synchronized @Nullable FileContent remove(long handle) {
    FileContent file = get(handle);
    if (file != null) {
      @Nullable FileContent[] without = files.clone();
      without[(int) handle - 1] = null;
      files = without;
      used.clear((int) handle - 1);
    }
    return file;
  }

  /** How many files are open. */
  public synchronized int count() {
    return used.cardinality();
  }
}
