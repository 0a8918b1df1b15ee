package org.qcowfs.engine;

import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.NonWritableChannelException;
import java.nio.channels.SeekableByteChannel;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;

/** What {@link Image#channel} gives; what it promises stands there. */
final class ImageChannel implements SeekableByteChannel {
  /** Long requests are cut into pieces of this many bytes. */
  static final int PIECE_BYTES = 256 << 10;

  private final Image image;
  private volatile boolean open = true;

  // Guarded by this.
  private long position;

  /** What all bytes pass through; made by the first request. */
  private @Nullable DataBuffer pieces;

  ImageChannel(Image image) {
    this.image = image;
  }

  @Override
  public synchronized int read(ByteBuffer dst) throws ClosedChannelException, ImageException {
    checkOpen();
    if (dst.isReadOnly()) {
      throw new IllegalArgumentException("the buffer to read into is read-only");
    }
    long left = image.size() - position;
    if (left <= 0) {
      return -1;
    }
    int length = (int) Math.min(dst.remaining(), left);
    for (int done = 0; done < length; ) {
      int n = Math.min(length - done, PIECE_BYTES);
      DataBuffer piece = pieces();
      image.read(position, piece, 0, n);
      dst.put(dst.position(), piece.bytes(), 0, n);
      dst.position(dst.position() + n);
      position += n;
      done += n;
    }
    return length;
  }

  @Override
  public synchronized int write(ByteBuffer src) throws ClosedChannelException, ImageException {
    checkOpen();
    checkWritable();
    long left = image.size() - position;
    if (left <= 0 && src.hasRemaining()) {
      throw new ImageException(
          ErrorKind.OUT_OF_BOUNDS,
          image.path(0),
          "write at offset " + position + ", but the disk ends at " + image.size());
    }
    int length = (int) Math.min(src.remaining(), Math.max(0, left));
    for (int done = 0; done < length; ) {
      int n = Math.min(length - done, PIECE_BYTES);
      DataBuffer piece = pieces();
      piece.bytes().put(0, src, src.position(), n);
      image.write(position, piece, 0, n);
      src.position(src.position() + n);
      position += n;
      done += n;
    }
    return length;
  }

  @Override
  public synchronized long position() throws ClosedChannelException {
    checkOpen();
    return position;
  }

  @Override
  public synchronized SeekableByteChannel position(long newPosition) throws ClosedChannelException {
    checkOpen();
    if (newPosition < 0) {
      throw new IllegalArgumentException("position " + newPosition + " is negative");
    }
    position = newPosition;
    return this;
  }

  @Override
  public long size() throws ClosedChannelException {
    checkOpen();
    return image.size();
  }

  @Override
  public synchronized SeekableByteChannel truncate(long size)
      throws ClosedChannelException, ImageException {
    checkOpen();
    checkWritable();
    if (size < 0) {
      throw new IllegalArgumentException("size " + size + " is negative");
    }
    if (size < image.size()) {
      throw new ImageException(
          ErrorKind.UNSUPPORTED,
          image.path(0),
          "an open disk of " + image.size() + " bytes cannot be cut to " + size);
    }
    position = Math.min(position, size);
    return this;
  }

  @Override
  public boolean isOpen() {
    return open;
  }

  @Override
  public void close() {
    open = false;
  }

  private DataBuffer pieces() {
    DataBuffer buffer = pieces;
    if (buffer == null) {
      buffer = DataBuffer.allocate(PIECE_BYTES);
      pieces = buffer;
    }
    return buffer;
  }

  private void checkOpen() throws ClosedChannelException {
    if (!open) {
      throw new ClosedChannelException();
    }
  }

  private void checkWritable() {
    if (!image.writable()) {
      throw new NonWritableChannelException();
    }
  }
}
