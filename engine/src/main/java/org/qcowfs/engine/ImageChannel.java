package org.qcowfs.engine;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.NonWritableChannelException;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.BufferPool;
import org.qcowfs.engine.host.DataBuffer;

/** What {@link Image#channel} gives; what it promises stands there. */
final class ImageChannel extends FileChannel {
  /** Long requests are cut into pieces of this many bytes. */
  static final int PIECE_BYTES = 256 << 10;

  private final Image image;

  /** Held by requests that use {@link #position}, from start to end. */
  private final Object positioned = new Object();

  // Guarded by positioned.
  private long position;

  /** What bytes pass through: one for each request that was ever under way at once. */
  private final BufferPool pieces = new BufferPool(PIECE_BYTES);

  ImageChannel(Image image) {
    this.image = image;
  }

  @Override
  public int read(ByteBuffer dst) throws IOException {
    synchronized (positioned) {
      int before = dst.position();
      try {
        return read(dst, position);
      } finally {
        position += dst.position() - before;
      }
    }
  }

  @Override
  public int read(ByteBuffer dst, long at) throws IOException {
    checkOpen();
    checkPosition(at);
    if (dst.isReadOnly()) {
      throw new IllegalArgumentException("the buffer to read into is read-only");
    }
    long left = image.size() - at;
    if (left <= 0) {
      return -1;
    }
    int length = (int) Math.min(dst.remaining(), left);
    DataBuffer piece = pieces.take();
    try {
      for (int done = 0; done < length; ) {
        int n = Math.min(length - done, PIECE_BYTES);
        image.read(at + done, piece, 0, n);
        dst.put(dst.position(), piece.bytes(), 0, n);
        dst.position(dst.position() + n);
        done += n;
      }
    } finally {
      pieces.giveBack(piece);
    }
    return length;
  }

  @Override
  public long read(ByteBuffer[] dsts, int offset, int length) throws IOException {
    Objects.checkFromIndexSize(offset, length, dsts.length);
    synchronized (positioned) {
      checkOpen();
      long total = 0;
      for (int i = offset; i < offset + length; i++) {
        int n = read(dsts[i]);
        if (n < 0) {
          return total == 0 ? -1 : total;
        }
        total += n;
      }
      return total;
    }
  }

  @Override
  public int write(ByteBuffer src) throws IOException {
    synchronized (positioned) {
      int before = src.position();
      try {
        return write(src, position);
      } finally {
        position += src.position() - before;
      }
    }
  }

  @Override
  public int write(ByteBuffer src, long at) throws IOException {
    checkOpen();
    checkPosition(at);
    checkWritable();
    long left = image.size() - at;
    if (left <= 0 && src.hasRemaining()) {
      throw new ImageException(
          ErrorKind.OUT_OF_BOUNDS,
          image.path(0),
          "write at offset " + at + ", but the disk ends at " + image.size());
    }
    int length = (int) Math.min(src.remaining(), Math.max(0, left));
    DataBuffer piece = pieces.take();
    try {
      for (int done = 0; done < length; ) {
        int n = Math.min(length - done, PIECE_BYTES);
        piece.bytes().put(0, src, src.position(), n);
        image.write(at + done, piece, 0, n);
        src.position(src.position() + n);
        done += n;
      }
    } finally {
      pieces.giveBack(piece);
    }
    return length;
  }

  @Override
  public long write(ByteBuffer[] srcs, int offset, int length) throws IOException {
    Objects.checkFromIndexSize(offset, length, srcs.length);
    synchronized (positioned) {
      checkOpen();
      long total = 0;
      for (int i = offset; i < offset + length; i++) {
        if (total > 0 && srcs[i].hasRemaining() && position >= image.size()) {
          return total;
        }
        total += write(srcs[i]);
      }
      return total;
    }
  }

  @Override
  public long transferTo(long at, long count, WritableByteChannel target) throws IOException {
    checkOpen();
    checkPosition(at);
    checkCount(count);
    long length = Math.min(count, image.size() - at);
    long done = 0;
    DataBuffer piece = pieces.take();
    try {
      while (done < length) {
        int n = (int) Math.min(length - done, PIECE_BYTES);
        image.read(at + done, piece, 0, n);
        int written = target.write(piece.bytes().duplicate().position(0).limit(n));
        done += written;
        if (written < n) {
          break;
        }
      }
    } finally {
      pieces.giveBack(piece);
    }
    return done;
  }

  @Override
  public long transferFrom(ReadableByteChannel src, long at, long count) throws IOException {
    checkOpen();
    checkPosition(at);
    checkCount(count);
    checkWritable();
    long length = Math.min(count, image.size() - at);
    long done = 0;
    DataBuffer piece = pieces.take();
    try {
      while (done < length) {
        int wanted = (int) Math.min(length - done, PIECE_BYTES);
        int n = src.read(piece.bytes().duplicate().position(0).limit(wanted));
        if (n <= 0) {
          break;
        }
        image.write(at + done, piece, 0, n);
        done += n;
      }
    } finally {
      pieces.giveBack(piece);
    }
    return done;
  }

  @Override
  public long position() throws ClosedChannelException {
    synchronized (positioned) {
      checkOpen();
      return position;
    }
  }

  @Override
  public FileChannel position(long newPosition) throws ClosedChannelException {
    synchronized (positioned) {
      checkOpen();
      checkPosition(newPosition);
      position = newPosition;
      return this;
    }
  }

  @Override
  public long size() throws ClosedChannelException {
    checkOpen();
    return image.size();
  }

  @Override
  public FileChannel truncate(long size) throws ClosedChannelException, ImageException {
    synchronized (positioned) {
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
  }

  @Override
  public void force(boolean metaData) throws ClosedChannelException, ImageException {
    checkOpen();
    image.flush();
  }

  @Override
  public MappedByteBuffer map(MapMode mode, long at, long size) {
    throw new UnsupportedOperationException("the clusters of a disk are not mapped into memory");
  }

  @Override
  public FileLock lock(long at, long size, boolean shared) {
    throw new UnsupportedOperationException("an open image is locked as a whole");
  }

  @Override
  public @Nullable FileLock tryLock(long at, long size, boolean shared) {
    return lock(at, size, shared);
  }

  @Override
  protected void implCloseChannel() {}

  private void checkOpen() throws ClosedChannelException {
    if (!isOpen()) {
      throw new ClosedChannelException();
    }
  }

  private void checkWritable() {
    if (!image.writable()) {
      throw new NonWritableChannelException();
    }
  }

  private static void checkPosition(long position) {
    if (position < 0) {
      throw new IllegalArgumentException("position " + position + " is negative");
    }
  }

  private static void checkCount(long count) {
    if (count < 0) {
      throw new IllegalArgumentException("count " + count + " is negative");
    }
  }
}
