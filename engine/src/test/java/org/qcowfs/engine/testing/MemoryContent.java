package org.qcowfs.engine.testing;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/**
 * The bytes of a sparse file in memory, in pages of {@value #PAGE} bytes; copies share pages until
 * one of them writes.
 *
 * <p><b>Thread safety:</b> safe: every method is synchronized.
 */
public final class MemoryContent {
  /** Bytes of a page: the grain of holes. */
  public static final int PAGE = 4096;

  private @Nullable byte[][] pages = new byte[16][];
  private BitSet shared = new BitSet();
  private long length;

  /** Reads a file of the host; pages of zeroes become holes. */
  public static MemoryContent of(Path path) throws IOException {
    return of(Files.readAllBytes(path));
  }

  /** A file of {@code bytes}; pages of zeroes become holes. */
  public static MemoryContent of(byte[] bytes) {
    MemoryContent content = new MemoryContent();
    byte[] zeroes = new byte[PAGE];
    content.truncate(bytes.length);
    for (int at = 0; at < bytes.length; at += PAGE) {
      int n = Math.min(PAGE, bytes.length - at);
      if (!Arrays.equals(bytes, at, at + n, zeroes, 0, n)) {
        content.write(at, ByteBuffer.wrap(bytes), at, n);
      }
    }
    return content;
  }

  /** An independent file of the same bytes and holes. */
  public synchronized MemoryContent copy() {
    MemoryContent copy = new MemoryContent();
    copy.pages = pages.clone();
    copy.length = length;
    shared.set(0, pages.length);
    copy.shared.set(0, pages.length);
    return copy;
  }

  public synchronized long length() {
    return length;
  }

  /** Reads until {@code n} bytes are there or the file ends; returns the bytes read. */
  public synchronized int read(long at, ByteBuffer dst, int position, int n) {
    int got = (int) Math.max(0, Math.min(n, length - at));
    for (int done = 0; done < got; ) {
      int in = (int) ((at + done) % PAGE);
      int step = Math.min(got - done, PAGE - in);
      byte[] page = page((at + done) / PAGE);
      dst.put(position + done, page == null ? ZEROES : page, in, step);
      done += step;
    }
    return got;
  }

  private static final byte[] ZEROES = new byte[PAGE];

  private byte @Nullable [] page(long index) {
    return index < pages.length ? pages[(int) index] : null;
  }

  /** Writes; a write past the end makes the file longer. */
  public synchronized void write(long at, ByteBuffer src, int position, int n) {
    for (int done = 0; done < n; ) {
      int in = (int) ((at + done) % PAGE);
      int step = Math.min(n - done, PAGE - in);
      src.get(position + done, own((at + done) / PAGE), in, step);
      done += step;
    }
    length = Math.max(length, at + n);
  }

  /** As {@link #write(long, ByteBuffer, int, int)}. */
  public void write(long at, byte[] bytes) {
    write(at, ByteBuffer.wrap(bytes), 0, bytes.length);
  }

  private byte[] own(long index) {
    int i = Math.toIntExact(index);
    if (i >= pages.length) {
      pages = Arrays.copyOf(pages, Math.max(i + 1, pages.length * 2));
    }
    byte[] page = pages[i];
    if (page == null) {
      page = new byte[PAGE];
    } else if (shared.get(i)) {
      page = page.clone();
    }
    pages[i] = page;
    shared.clear(i);
    return page;
  }

  /** Cuts or extends the file. */
  public synchronized void truncate(long to) {
    if (to < length) {
      zero(to, length - to, true);
    }
    length = to;
  }

  /** Extends the file, if it is shorter, and gives the range's pages memory. */
  public synchronized void allocate(long at, long n) {
    for (long index = at / PAGE; index * PAGE < at + n; index++) {
      own(index);
    }
    length = Math.max(length, at + n);
  }

  /**
   * Makes a range within the file read as zeroes.
   *
   * @param punch whether whole pages become holes
   */
  public synchronized void zero(long at, long n, boolean punch) {
    long end = Math.min(at + n, length);
    for (long done = at; done < end; ) {
      int in = (int) (done % PAGE);
      int step = (int) Math.min(end - done, PAGE - in);
      long index = done / PAGE;
      if (page(index) != null) {
        if (punch && (step == PAGE || in == 0 && done + step == length)) {
          pages[(int) index] = null;
          shared.clear((int) index);
        } else {
          Arrays.fill(own(index), in, in + step, (byte) 0);
        }
      }
      done += step;
    }
  }

  /** The first offset from {@code at} on that is in a hole (or not); {@code length} if none is. */
  public synchronized long next(long at, boolean hole) {
    for (long index = at / PAGE; index * PAGE < length; index++) {
      if ((page(index) == null) == hole) {
        return Math.max(at, index * PAGE);
      }
    }
    return length;
  }

  /** Bytes of pages that are not holes. */
  public synchronized long allocatedBytes() {
    return Arrays.stream(pages).filter(page -> page != null).count() * PAGE;
  }

  /** All bytes. */
  public synchronized byte[] bytes() {
    byte[] all = new byte[Math.toIntExact(length)];
    read(0, ByteBuffer.wrap(all), 0, all.length);
    return all;
  }

  /** Writes the bytes into a file of the host, which it creates or replaces; zeroes stay holes. */
  public void store(Path path) throws IOException {
    try (var out = new java.io.RandomAccessFile(path.toFile(), "rw")) {
      out.setLength(0);
      out.setLength(length());
      byte[] page = new byte[PAGE];
      for (long at = next(0, false); at < length(); at = next(at + 1, false)) {
        at -= at % PAGE;
        int n = read(at, ByteBuffer.wrap(page), 0, PAGE);
        out.seek(at);
        out.write(page, 0, n);
        at += PAGE - 1;
      }
    }
  }
}
