package org.qcowfs.fuse.tree;

import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.PosixHostFile;

/**
 * Text made for one file of a mount: in memory if it is small, else in a temporary file without a
 * name, because the map of a large disk is larger than a heap.
 */
final class RenderedContent implements FileContent, Closeable {
  private static final int MAX_IN_MEMORY = 1 << 20;

  private final byte[] bytes;
  private final @Nullable HostFile spilled;
  private final long size;

  private RenderedContent(byte[] bytes, @Nullable HostFile spilled, long size) {
    this.bytes = bytes;
    this.spilled = spilled;
    this.size = size;
  }

  @Override
  public long size() {
    return size;
  }

  @Override
  public void read(long offset, DataBuffer dst, int position, int length) throws ImageException {
    if (spilled != null) {
      spilled.read(offset, dst, position, length);
    } else {
      dst.bytes().put(position, bytes, (int) offset, length);
    }
  }

  @Override
  public long nextData(long offset) {
    return offset;
  }

  @Override
  public long nextHole(long offset) {
    return size;
  }

  @Override
  public void close() throws ImageException {
    if (spilled != null) {
      spilled.close();
    }
  }

  /** Collects the text. */
  static final class Builder extends OutputStream {
    private final ByteArrayOutputStream memory = new ByteArrayOutputStream();
    private @Nullable HostFile file;
    private long fileLength;

    @Override
    public void write(int b) throws IOException {
      write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] source, int offset, int length) throws IOException {
      memory.write(source, offset, length);
      if (memory.size() > MAX_IN_MEMORY) {
        spill();
      }
    }

    private void spill() throws IOException {
      HostFile target = file;
      if (target == null) {
        Path path = Files.createTempDirectory("qcowfs").resolve("rendered");
        try {
          target = PosixHostFile.createNew(path.toString());
          Files.delete(path);
        } finally {
          Files.delete(path.getParent());
        }
        file = target;
      }
      byte[] bytes = memory.toByteArray();
      DataBuffer buffer = DataBuffer.allocate(bytes.length, 8);
      buffer.bytes().put(0, bytes);
      target.write(fileLength, buffer, 0, bytes.length);
      fileLength += bytes.length;
      memory.reset();
    }

    /** The collected text; nothing may be written afterwards. */
    RenderedContent build() throws IOException {
      if (file == null) {
        byte[] bytes = memory.toByteArray();
        return new RenderedContent(bytes, null, bytes.length);
      }
      spill();
      HostFile complete = file;
      file = null;
      return new RenderedContent(new byte[0], complete, fileLength);
    }

    /** Gives up what was not built. */
    @Override
    public void close() throws IOException {
      if (file != null) {
        file.close();
      }
    }
  }
}
