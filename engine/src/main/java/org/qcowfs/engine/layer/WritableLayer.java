package org.qcowfs.engine.layer;

import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.model.WriteStatistics;

/**
 * A layer that takes writes: the top of a chain.
 *
 * <p>Guest ranges lie within the disk. What a method has done is visible to reads that begin after
 * it returned, and durable after the next {@link #flush} that succeeded.
 *
 * <p>Every method throws {@link ImageException}: kind {@code FAILED} after a flush has failed (rule
 * W7), {@code CORRUPT} where the metadata forbids the write, {@code NO_SPACE} and {@code IO} as the
 * host says; the guest range is then old, new or a mixture by sector, and the metadata consistent.
 *
 * <p><b>Thread safety:</b> all methods may be called from any thread at once; writes to the same
 * cluster are put in some order, writes to different clusters do not wait for one another's data.
 */
public interface WritableLayer extends Layer {
  /** The disk as the guest sees it, through the layers below where this one has nothing. */
  interface GuestReader {
    /** As {@link org.qcowfs.engine.Image#read}. */
    void read(long guestOffset, DataBuffer dst, int position, int length) throws ImageException;

    /**
     * Whether the metadata of the chain says that a range reads as zeroes; false where only the
     * bytes could tell.
     */
    boolean readsAsZero(long guestOffset, long length);
  }

  /**
   * Says how to read what a partly written cluster must keep; called once, right after the chain is
   * open.
   *
   * @throws ImageException if the image was opened for writing and cannot be written to safely
   */
  void readThrough(GuestReader reader) throws ImageException;

  /**
   * Begins to read: until {@link #endRead} what {@link #map} answers stays where it is.
   *
   * @return a token for {@link #endRead}
   */
  int beginRead();

  /** Ends what {@link #beginRead} began. */
  void endRead(int token);

  /** Whether writes are taken; false for an image opened read-only. */
  boolean writable();

  /** Writes guest bytes. */
  void write(long guestOffset, DataBuffer src, int position, int length) throws ImageException;

  /**
   * Makes a guest range read as zeroes, at any alignment.
   *
   * @param unmap whether host clusters may be given back
   */
  void zero(long guestOffset, long length, boolean unmap) throws ImageException;

  /** Reserves host clusters for a guest range without changing what it reads as. */
  void allocate(long guestOffset, long length) throws ImageException;

  /** As {@link #zero}, by this layer's own word: also where what lies below reads as zeroes. */
  void zeroHere(long guestOffset, long length) throws ImageException;

  /** Makes everything done before the call durable. */
  void flush() throws ImageException;

  /** What writing has cost so far. */
  WriteStatistics writeStatistics();

  /**
   * Makes everything durable and gives back what was kept for writing. The file stays open and
   * locked; after it nothing but {@link #close} may be called.
   */
  void endWrites() throws ImageException;
}
