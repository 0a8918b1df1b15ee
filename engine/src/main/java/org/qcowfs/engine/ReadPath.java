package org.qcowfs.engine;

import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.base.CopyOnRead;
import org.qcowfs.engine.base.ReadAhead;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.layer.Layer;
import org.qcowfs.engine.layer.Mapping;
import org.qcowfs.engine.layer.WritableLayer;

/**
 * Guest bytes through a chain: where they live, stretch by stretch, and then from there.
 *
 * <p>What the top layer of a disk that takes writes has is read as an announced reader, so that no
 * cluster is given away meanwhile; what is below is not.
 *
 * <p><b>Thread safety:</b> any thread; takes no lock, and allocates nothing after a thread's first
 * read.
 */
final class ReadPath {
  private static final ThreadLocal<Mapping> SCRATCH = ThreadLocal.withInitial(Mapping::new);

  private final Chain chain;

  /** The top layer if it may be written to: then reads are announced to it. */
  private final @Nullable WritableLayer gated;

  /** The first layer that may be far away: one that is written to is not. */
  private final int firstFar;

  /** Made when a read of a far layer was slow. */
  private volatile @Nullable ReadAhead readAhead;

  private @Nullable Traffic traffic;

  ReadPath(Chain chain) {
    Layer top = chain.top();
    this.chain = chain;
    this.gated = top instanceof WritableLayer writable ? writable : null;
    this.firstFar = top.file().writable() ? 1 : 0;
  }

  /** Counts from now on, or no longer; before a second thread reads. */
  void count(@Nullable Traffic counted) {
    traffic = counted;
  }

  /**
   * The calling thread's mapping, of which {@link #countLookups} takes over what it has counted.
   */
  static Mapping scratch() {
    return SCRATCH.get();
  }

  /** Takes over what this thread's mapping counted. */
  void countLookups() {
    Traffic counted = traffic;
    if (counted != null) {
      counted.lookedUp(scratch());
    }
  }

  /**
   * Reads guest bytes, as {@link Image#read}.
   *
   * @param keeper reads what the top layer does not have; null for a plain read
   */
  void read(long guestOffset, DataBuffer dst, int position, int length, @Nullable CopyOnRead keeper)
      throws ImageException {
    if (gated == null) {
      readMapped(guestOffset, dst, position, length);
      return;
    }
    for (int done = 0; done < length; ) {
      done += readTop(gated, guestOffset + done, dst, position + done, length - done);
      if (done < length) {
        // Not as an announced reader: making a snapshot locks the disk and waits for those, and
        // what is below may take as long as somebody else's storage takes.
        done +=
            keeper != null
                ? keeper.read(guestOffset + done, dst, position + done, length - done)
                : readBelow(guestOffset + done, dst, position + done);
      }
    }
  }

  /**
   * Reads up to the first byte that the top layer does not have, while that holds its clusters in
   * place. The answer about that byte stays in the thread's mapping.
   *
   * @return bytes read
   */
  private int readTop(WritableLayer top, long guestOffset, DataBuffer dst, int position, int length)
      throws ImageException {
    Mapping mapping = scratch();
    int token = top.beginRead();
    try {
      int done = 0;
      while (done < length) {
        top.map(guestOffset + done, length - done, mapping);
        mapping.setDepth(0);
        if (mapping.kind() == Mapping.Kind.UNALLOCATED) {
          break;
        }
        int n = (int) mapping.length();
        readStretch(mapping, guestOffset + done, dst, position + done, n);
        done += n;
      }
      return done;
    } finally {
      top.endRead(token);
    }
  }

  /**
   * Reads the first stretch of what {@link #readTop} has stopped at. A write that puts something
   * above it meanwhile was not over when the read began.
   *
   * @return its length
   */
  private int readBelow(long guestOffset, DataBuffer dst, int position) throws ImageException {
    Mapping mapping = scratch();
    chain.resolveBelow(guestOffset, mapping.length(), mapping);
    int n = (int) mapping.length();
    readStretch(mapping, guestOffset, dst, position, n);
    return n;
  }

  private void readMapped(long guestOffset, DataBuffer dst, int position, int length)
      throws ImageException {
    Mapping mapping = scratch();
    int done = 0;
    while (done < length) {
      chain.resolve(guestOffset + done, length - done, mapping);
      int n = (int) mapping.length();
      readStretch(mapping, guestOffset + done, dst, position + done, n);
      done += n;
    }
  }

  private void readStretch(Mapping mapping, long at, DataBuffer dst, int position, int length)
      throws ImageException {
    switch (mapping.kind()) {
      case DATA, COMPRESSED -> {
        Traffic counted = traffic;
        if (counted != null) {
          counted.read(mapping.depth(), length);
        }
        if (mapping.depth() < firstFar) {
          fetch(mapping, at, dst, position, length);
        } else {
          fetchFar(mapping, at, dst, position, length);
        }
      }
      case ZERO, UNALLOCATED -> dst.zero(position, length);
      case DAMAGED -> throw mapping.damage();
    }
  }

  private void fetchFar(Mapping mapping, long guestOffset, DataBuffer dst, int position, int length)
      throws ImageException {
    ReadAhead ahead = readAhead;
    if (ahead != null) {
      ahead.reading(guestOffset, length);
    }
    long begin = System.nanoTime();
    fetch(mapping, guestOffset, dst, position, length);
    long nanos = System.nanoTime() - begin;
    if (ahead != null) {
      ahead.took(nanos);
    } else if (nanos > ReadAhead.SLOW_NANOS) {
      readAhead = new ReadAhead(chain::resolve, chain::size);
    }
  }

  private void fetch(Mapping mapping, long guestOffset, DataBuffer dst, int position, int length)
      throws ImageException {
    if (mapping.kind() == Mapping.Kind.DATA) {
      readData(mapping, guestOffset, dst, position, length);
    } else {
      chain.layer(mapping.depth()).readCompressed(mapping, guestOffset, dst, position, length);
    }
  }

  private static void readData(
      Mapping mapping, long guestOffset, DataBuffer dst, int position, int length)
      throws ImageException {
    HostFile file = mapping.dataFile();
    int got = file.read(mapping.hostOffset(), dst, position, length);
    if (got < length) {
      throw new ImageException(
          ErrorKind.CORRUPT,
          file.path(),
          String.format(
              "data of guest offset 0x%x is at host offset 0x%x, past the end of the file (%d"
                  + " bytes)",
              guestOffset + got, mapping.hostOffset() + got, file.length()));
    }
  }
}
