package org.qcowfs.it.write;

import java.io.IOException;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Random;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.engine.host.posix.PosixCalls;

/**
 * Random work on one file of fixed size, each result compared with a byte array: read and write,
 * through the page cache, by O_DIRECT and through a shared mapping, holes punched, ranges zeroed
 * and reserved, data sought, synced, closed and opened.
 *
 * <p>The file must belong to nobody else meanwhile. One seed gives one sequence of requests.
 */
public final class Exerciser implements AutoCloseable {
  /** What it does. */
  public enum Work {
    WRITE(22),
    READ(20),
    MAPPED_WRITE(10),
    MAPPED_READ(8),
    DIRECT_WRITE(6),
    DIRECT_READ(5),
    PUNCH(8),
    ZERO(7),
    RESERVE(3),
    SEEK(6),
    SYNC(3),
    REOPEN(2);

    private final int weight;

    Work(int weight) {
      this.weight = weight;
    }
  }

  private static final int LONGEST = 256 << 10;
  private static final int DIRECT_ALIGNMENT = 4096;
  private static final int REMEMBERED = 30;

  private final Path file;
  private final Random random;
  private final Set<Work> kinds;
  private final int weights;
  private final DataBuffer buffer = DataBuffer.allocate(LONGEST, DIRECT_ALIGNMENT);
  private final byte[] model;
  private final Deque<String> last = new ArrayDeque<>();
  private long done;
  private int fd = -1;
  private int directFd = -1;
  private @Nullable FileChannel channel;
  private @Nullable MappedByteBuffer mapping;
  private int hot;

  /**
   * Opens the file and takes what it holds as the model.
   *
   * @param kinds what to do of all that can be done
   */
  public Exerciser(Path file, long seed, Set<Work> kinds) throws IOException {
    this.file = file;
    this.random = new Random(seed);
    this.kinds = EnumSet.copyOf(kinds);
    this.weights = this.kinds.stream().mapToInt(k -> k.weight).sum();
    open();
    long size = PosixCalls.lseek(fd, 0, PosixCalls.SEEK_END);
    if (size < 1 << 16 || size > 1 << 30) {
      throw new IOException(file + " has " + size + " bytes; expected 64 KiB to 1 GiB");
    }
    model = new byte[(int) size];
    for (int at = 0; at < size; at += LONGEST) {
      int n = (int) Math.min(LONGEST, size - at);
      transfer(fd, at, n, false);
      buffer.bytes().get(0, model, at, n);
    }
  }

  private void open() throws IOException {
    fd = checked(PosixCalls.open(file.toString(), PosixCalls.O_RDWR), "open");
    if (kinds.contains(Work.DIRECT_WRITE) || kinds.contains(Work.DIRECT_READ)) {
      int flags = PosixCalls.O_RDWR | PosixCalls.O_DIRECT;
      directFd = checked(PosixCalls.open(file.toString(), flags), "open with O_DIRECT");
    }
    if (kinds.contains(Work.MAPPED_WRITE) || kinds.contains(Work.MAPPED_READ)) {
      FileChannel opened =
          FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
      channel = opened;
      mapping = opened.map(FileChannel.MapMode.READ_WRITE, 0, opened.size());
    }
  }

  /** Does {@code count} requests, then compares the whole file. */
  public void run(long count) throws IOException {
    for (long i = 0; i < count; i++) {
      step();
    }
    last.add("compare everything");
    for (int at = 0; at < model.length; at += LONGEST) {
      read(at, Math.min(LONGEST, model.length - at));
    }
  }

  /** Requests done. */
  public long done() {
    return done;
  }

  /** The last requests, one line each. */
  public String history() {
    return String.join("\n", last);
  }

  private void step() throws IOException {
    Work work = draw();
    if (random.nextInt(50) == 0) {
      hot = random.nextInt(model.length);
    }
    int at =
        random.nextInt(3) == 0
            ? random.nextInt(model.length)
            : Math.floorMod(hot + random.nextInt(1 << 18) - (1 << 17), model.length);
    int length =
        switch (random.nextInt(4)) {
          case 0 -> 1 + random.nextInt(600);
          case 1 -> 4096;
          case 2 -> 1 + random.nextInt(1 << 16);
          default -> 1 + random.nextInt(random.nextInt(4) == 0 ? LONGEST : 1 << 13);
        };
    if (random.nextBoolean()) {
      at &= -4096;
    }
    if (work == Work.DIRECT_READ || work == Work.DIRECT_WRITE) {
      at &= -DIRECT_ALIGNMENT;
      length = length + DIRECT_ALIGNMENT - 1 & -DIRECT_ALIGNMENT;
      if (at + length > model.length) {
        length = model.length - at & -DIRECT_ALIGNMENT;
      }
    }
    length = Math.min(length, model.length - at);
    last.add(String.format("%d %s 0x%x+0x%x", done, work, at, length));
    if (last.size() > REMEMBERED) {
      last.remove();
    }
    if (length > 0) {
      perform(work, at, length);
    }
    done++;
  }

  private Work draw() {
    int pick = random.nextInt(weights);
    for (Work work : kinds) {
      pick -= work.weight;
      if (pick < 0) {
        return work;
      }
    }
    throw new AssertionError(kinds);
  }

  private void perform(Work work, int at, int length) throws IOException {
    switch (work) {
      case WRITE -> {
        fill(at, length);
        transfer(fd, at, length, true);
      }
      case READ -> read(at, length);
      case MAPPED_WRITE -> {
        fill(at, length);
        mapped().put(at, model, at, length);
      }
      case MAPPED_READ -> {
        byte[] found = new byte[length];
        mapped().get(at, found);
        compare(at, found);
      }
      case DIRECT_WRITE -> {
        sync(); // what is dirty in the page cache must not land on top later
        fill(at, length);
        transfer(directFd, at, length, true);
      }
      case DIRECT_READ -> {
        sync();
        transfer(directFd, at, length, false);
        compareBuffer(at, length);
      }
      case PUNCH -> {
        int mode = PosixCalls.FALLOC_FL_PUNCH_HOLE | PosixCalls.FALLOC_FL_KEEP_SIZE;
        checked(PosixCalls.fallocate(fd, mode, at, length), "punch a hole");
        Arrays.fill(model, at, at + length, (byte) 0);
      }
      case ZERO -> {
        int keep = random.nextBoolean() ? PosixCalls.FALLOC_FL_KEEP_SIZE : 0;
        int mode = PosixCalls.FALLOC_FL_ZERO_RANGE | keep;
        checked(PosixCalls.fallocate(fd, mode, at, length), "zero a range");
        Arrays.fill(model, at, at + length, (byte) 0);
      }
      case RESERVE -> checked(PosixCalls.fallocate(fd, 0, at, length), "reserve");
      case SEEK -> seek(at);
      case SYNC -> sync();
      case REOPEN -> {
        close();
        open();
      }
    }
  }

  private void fill(int at, int length) {
    byte[] data = new byte[length];
    if (random.nextInt(16) > 0) {
      random.nextBytes(data);
    }
    System.arraycopy(data, 0, model, at, length);
    buffer.bytes().put(0, data);
  }

  private void transfer(int to, int at, int length, boolean write) throws IOException {
    for (int moved = 0; moved < length; ) {
      long address = buffer.address() + moved;
      long n =
          write
              ? PosixCalls.pwrite(to, address, length - moved, at + moved)
              : PosixCalls.pread(to, address, length - moved, at + moved);
      if (n <= 0) {
        checked((int) n, write ? "write" : "read");
        throw new IOException((write ? "write" : "read") + " moved nothing at " + (at + moved));
      }
      moved += (int) n;
    }
  }

  private void read(int at, int length) throws IOException {
    transfer(fd, at, length, false);
    compareBuffer(at, length);
  }

  private void compareBuffer(int at, int length) {
    byte[] found = new byte[length];
    buffer.bytes().get(0, found);
    compare(at, found);
  }

  private void compare(int at, byte[] found) {
    int wrong = Arrays.mismatch(found, 0, found.length, model, at, at + found.length);
    if (wrong >= 0) {
      throw new AssertionError(
          String.format(
              "byte 0x%x is %02x; expected %02x", at + wrong, found[wrong], model[at + wrong]));
    }
  }

  /** No byte that is not zero may lie in what is called a hole. */
  private void seek(int at) throws IOException {
    long data = PosixCalls.lseek(fd, at, PosixCalls.SEEK_DATA);
    if (data < 0 && PosixCalls.errno() != Errno.ENXIO) {
      checked((int) data, "seek for data");
    }
    long end = data < 0 ? model.length : data;
    for (int i = at; i < end; i++) {
      if (model[i] != 0) {
        throw new AssertionError(
            String.format(
                "SEEK_DATA from 0x%x says 0x%x, but byte 0x%x is %02x", at, data, i, model[i]));
      }
    }
    if (data >= 0 && PosixCalls.lseek(fd, data, PosixCalls.SEEK_HOLE) <= data) {
      throw new AssertionError(String.format("0x%x is called data and a hole", data));
    }
  }

  private void sync() throws IOException {
    if (mapping != null) {
      mapping.force();
    }
    checked(PosixCalls.fdatasync(fd), "sync");
  }

  private MappedByteBuffer mapped() {
    MappedByteBuffer present = mapping;
    if (present == null) {
      throw new IllegalStateException("not mapped");
    }
    return present;
  }

  private static int checked(int result, String what) throws IOException {
    if (result < 0) {
      throw new IOException("could not " + what + ": " + Errno.text(PosixCalls.errno()));
    }
    return result;
  }

  @Override
  public void close() throws IOException {
    // A mapping goes with its object; what was written through it stays in the page cache.
    mapping = null;
    if (channel != null) {
      channel.close();
      channel = null;
    }
    if (directFd >= 0) {
      checked(PosixCalls.close(directFd), "close");
      directFd = -1;
    }
    if (fd >= 0) {
      int closing = fd;
      fd = -1;
      checked(PosixCalls.close(closing), "close");
    }
  }

  /** Arguments: file, requests, seed (or {@code random}), kinds of work to leave out. */
  public static void main(String[] arguments) throws IOException {
    if (arguments.length < 2) {
      System.err.println("usage: exerciser FILE REQUESTS [SEED|random [WORK-LEFT-OUT ...]]");
      System.exit(2);
    }
    long count = Long.parseLong(arguments[1]);
    long seed =
        arguments.length < 3 || arguments[2].equals("random")
            ? System.nanoTime() & 0xffff_ffffL
            : Long.parseLong(arguments[2]);
    Set<Work> kinds = EnumSet.allOf(Work.class);
    for (int i = 3; i < arguments.length; i++) {
      kinds.remove(Work.valueOf(arguments[i].toUpperCase(Locale.ROOT)));
    }
    System.out.println("seed " + seed);
    try (Exerciser exerciser = new Exerciser(Path.of(arguments[0]), seed, kinds)) {
      try {
        while (exerciser.done() < count) {
          exerciser.run(Math.min(100_000, count - exerciser.done()));
          System.out.println(exerciser.done() + " requests");
        }
      } catch (IOException | AssertionError e) {
        System.err.println(
            "request "
                + exerciser.done()
                + " of seed "
                + seed
                + ": "
                + e.getMessage()
                + "\n"
                + exerciser.history());
        System.exit(1);
      }
    }
  }
}
