package org.qcowfs.engine.host;

import java.io.Closeable;
import org.qcowfs.engine.error.ImageException;

/**
 * One open file of the host: positional reads and writes, length, holes, durability.
 *
 * <p>Offsets and lengths are bytes. Failures are {@link ImageException}s of kind {@code IO} (or
 * {@code NO_SPACE}) with the errno.
 *
 * <p><b>Thread safety:</b> all methods but {@link #close()} may be called from any thread at once.
 */
public interface HostFile extends Closeable {
  /** The path as it was opened, for messages. */
  String path();

  /** Whether another open file is the same one, whatever it was called. */
  default boolean isSameFile(HostFile other) {
    return this == other;
  }

  /** Whether it was opened for writing. */
  boolean writable();

  /** The current length in bytes; asks the host each time. */
  long length() throws ImageException;

  /**
   * Reads into {@code dst} from {@code position} on, until {@code length} bytes are there or the
   * file ends.
   *
   * @return the bytes read: less than {@code length} only at the end of the file
   */
  int read(long hostOffset, DataBuffer dst, int position, int length) throws ImageException;

  /** Writes all {@code length} bytes; a write past the end makes the file longer. */
  void write(long hostOffset, DataBuffer src, int position, int length) throws ImageException;

  /**
   * Makes what was written, and the length, durable ({@code fdatasync}).
   *
   * @throws ImageException if it failed: what was written since the last success is in doubt
   */
  void sync() throws ImageException;

  /**
   * Has the host begin to write a range to its disk, so that the next {@link #sync} finds less to
   * do; waits for nothing and promises nothing.
   */
  default void startWriteout(long hostOffset, long length) {}

  /** Has the host begin to fetch a range; waits for nothing and promises nothing. */
  default void willNeed(long hostOffset, long length) {}

  /** Whether {@link #truncate} can make the file longer; false for a block device. */
  default boolean resizable() {
    return true;
  }

  /** Cuts or extends the file; the new part reads as zeroes. */
  void truncate(long length) throws ImageException;

  /** Reserves blocks for a range without changing a byte; makes the file longer if it must. */
  void allocate(long hostOffset, long length) throws ImageException;

  /** Makes a range read as zeroes, keeping its blocks where the host can. */
  void zeroRange(long hostOffset, long length) throws ImageException;

  /**
   * Makes a range hold the bytes of another file by sharing its blocks (reflink).
   *
   * @return false where the host cannot: another file system, one without that, or a range that is
   *     not made of whole blocks; nothing is changed then
   */
  default boolean cloneFrom(HostFile source, long sourceOffset, long hostOffset, long length)
      throws ImageException {
    return false;
  }

  /**
   * Gives a range's blocks back; it reads as zeroes afterwards if this returned true.
   *
   * @return false where the host cannot punch holes: the range is then unchanged
   */
  boolean punchHole(long hostOffset, long length) throws ImageException;

  /**
   * The first offset at or after {@code hostOffset} that may hold data ({@code SEEK_DATA}).
   *
   * @return that offset; {@link Long#MAX_VALUE} if only hole follows; {@code hostOffset} where the
   *     host cannot tell
   */
  long nextData(long hostOffset) throws ImageException;

  /**
   * The first offset at or after {@code hostOffset} that is a hole ({@code SEEK_HOLE}); the end of
   * the file counts as one.
   *
   * @return that offset; {@link Long#MAX_VALUE} where the host cannot tell
   */
  long nextHole(long hostOffset) throws ImageException;

  /** Blocks of the host this file occupies, in bytes. */
  long allocatedBytes() throws ImageException;

  /** Bytes this file can still grow by; {@link Long#MAX_VALUE} where the host cannot tell. */
  default long availableBytes() {
    return Long.MAX_VALUE;
  }

  /** Releases the file; a second call does nothing. */
  @Override
  void close() throws ImageException;
}
