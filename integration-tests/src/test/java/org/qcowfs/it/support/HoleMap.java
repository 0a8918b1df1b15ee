package org.qcowfs.it.support;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.engine.host.posix.PosixCalls;

/**
 * Where a disk has data and where holes.
 *
 * @param size the disk's size in bytes
 * @param data the stretches of data, ascending, never touching one another
 */
public record HoleMap(long size, List<Stretch> data) {
  /**
   * One stretch of data.
   *
   * @param start first byte
   * @param end first byte after it
   */
  public record Stretch(long start, long end) {
    @Override
    public String toString() {
      return String.format("0x%x-0x%x", start, end);
    }
  }

  /** Collects stretches in ascending order, joining those that touch. */
  public static final class Builder {
    private final List<Stretch> data = new ArrayList<>();

    /** Adds a stretch of data; an empty one is nothing. */
    public Builder add(long start, long end) {
      if (end <= start) {
        return this;
      }
      int last = data.size() - 1;
      if (last >= 0 && data.get(last).end() >= start) {
        data.set(last, new Stretch(data.get(last).start(), end));
      } else {
        data.add(new Stretch(start, end));
      }
      return this;
    }

    public HoleMap build(long size) {
      return new HoleMap(size, List.copyOf(data));
    }
  }

  /** Walks a file with SEEK_DATA and SEEK_HOLE. */
  public static HoleMap ofFile(Path file) {
    int fd = PosixCalls.open(file.toString(), PosixCalls.O_RDONLY | PosixCalls.O_CLOEXEC);
    if (fd < 0) {
      throw new AssertionError("open " + file + ": " + Errno.text(PosixCalls.errno()));
    }
    try {
      long size = seek(file, fd, 0, PosixCalls.SEEK_END);
      Builder builder = new Builder();
      for (long at = 0; at < size; ) {
        long start = PosixCalls.lseek(fd, at, PosixCalls.SEEK_DATA);
        if (start < 0 && PosixCalls.errno() == Errno.ENXIO) {
          break;
        }
        check(file, start);
        long end = seek(file, fd, start, PosixCalls.SEEK_HOLE);
        if (start < at || end <= start) {
          throw new AssertionError(
              "the walk of " + file + " does not advance: " + at + " " + start + " " + end);
        }
        builder.add(start, end);
        at = end;
      }
      return builder.build(size);
    } finally {
      PosixCalls.close(fd);
    }
  }

  private static long seek(Path file, int fd, long offset, int whence) {
    return check(file, PosixCalls.lseek(fd, offset, whence));
  }

  private static long check(Path file, long result) {
    if (result < 0) {
      throw new AssertionError("seek in " + file + ": " + Errno.text(PosixCalls.errno()));
    }
    return result;
  }

  /** Copies a file with its holes where they are and nowhere else. */
  public static void copyExactly(Path from, Path to) {
    Run.ok("cp", "--sparse=auto", from.toString(), to.toString());
    Run.ok("sync", to.toString());
  }

  /** Walks an open image. */
  public static HoleMap ofImage(Image image) throws ImageException {
    Builder builder = new Builder();
    long size = image.size();
    for (long at = 0; at < size; ) {
      long start = image.nextData(at);
      if (start < 0) {
        break;
      }
      long end = image.nextHole(start);
      builder.add(start, end);
      at = end;
    }
    return builder.build(size);
  }

  /** What {@code qemu-img map} says: data is what does not read as zeroes by anyone's word. */
  public static HoleMap ofQemuMap(List<QemuImg.MapEntry> entries) {
    Builder builder = new Builder();
    long size = 0;
    for (QemuImg.MapEntry entry : entries) {
      size = entry.start() + entry.length();
      if (!entry.zero()) {
        builder.add(entry.start(), size);
      }
    }
    return builder.build(size);
  }

  /** The stretches of data within {@code start} to {@code end}, cut to it. */
  public List<Stretch> within(long start, long end) {
    return data.stream()
        .filter(s -> s.end() > start && s.start() < end)
        .map(s -> new Stretch(Math.max(start, s.start()), Math.min(end, s.end())))
        .toList();
  }

  public long dataBytes() {
    return data.stream().mapToLong(s -> s.end() - s.start()).sum();
  }

  /** A short text for failures: the first stretches. */
  @Override
  public String toString() {
    String some = data.stream().limit(40).map(Stretch::toString).collect(Collectors.joining(" "));
    return "size " + size + ", " + data.size() + " data stretches: " + some;
  }
}
