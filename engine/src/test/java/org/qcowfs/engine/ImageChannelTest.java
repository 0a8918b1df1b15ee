package org.qcowfs.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.NonWritableChannelException;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.model.CreateOptions;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.testing.ImageBuilder;

/** A disk as a channel, over an image of our own making. */
final class ImageChannelTest {
  /** Two whole pieces and a bit, no multiple of a cluster. */
  private static final int SIZE = 2 * ImageChannel.PIECE_BYTES + 5 * 512;

  private final byte[] content = new byte[SIZE];
  private String path;

  @TempDir Path folder;

  @BeforeEach
  void create() throws Exception {
    path = folder.resolve("disk.qcow2").toString();
    Images.create(path, CreateOptions.ofSize(SIZE));
    new Random(5).nextBytes(content);
  }

  private Image open(boolean writable) throws ImageException {
    return Images.open(path, OpenOptions.readOnly().withWritable(writable));
  }

  private void fill() throws Exception {
    try (Image image = open(true)) {
      image.channel().write(ByteBuffer.wrap(content));
    }
  }

  private static ImageException failure(ThrowingCallable call) {
    return catchThrowableOfType(ImageException.class, call);
  }

  @Test
  void heapAndDirectBuffersMoveAnyStretch() throws Exception {
    byte[] expected = new byte[SIZE];
    Random random = new Random(7);
    try (Image image = open(true);
        FileChannel channel = image.channel()) {
      for (int i = 0; i < 60; i++) {
        int at = random.nextInt(SIZE);
        int length = random.nextInt(Math.min(SIZE - at, i < 10 ? SIZE : 5000) + 1);
        int skip = random.nextInt(4);
        ByteBuffer buffer =
            random.nextBoolean()
                ? ByteBuffer.allocate(skip + length + 9).position(2).slice()
                : ByteBuffer.allocateDirect(skip + length + 9);
        if (random.nextBoolean()) {
          System.arraycopy(content, at, expected, at, length);
          buffer.put(skip, content, at, length).limit(skip + length).position(skip);
          assertThat(channel.position(at).write(buffer.asReadOnlyBuffer())).isEqualTo(length);
          assertThat(channel.position(at).write(buffer)).isEqualTo(length);
        } else {
          buffer.limit(skip + length).position(skip);
          assertThat(channel.position(at).read(buffer)).isEqualTo(at == SIZE ? -1 : length);
          byte[] read = new byte[length];
          buffer.get(skip, read);
          assertThat(read).isEqualTo(Arrays.copyOfRange(expected, at, at + length));
        }
        assertThat(buffer.position()).isEqualTo(skip + length);
        assertThat(channel.position()).isEqualTo(at + length);
      }
    }
    try (Image image = open(false)) {
      assertThat(Channels.newInputStream(image.channel()).readAllBytes()).isEqualTo(expected);
    }
  }

  @Test
  void aReadEndsWithTheDisk() throws Exception {
    fill();
    try (Image image = open(false)) {
      FileChannel channel = image.channel();
      assertThat(channel.size()).isEqualTo(SIZE);
      ByteBuffer buffer = ByteBuffer.allocate(100);
      assertThat(channel.position(SIZE - 40).read(buffer)).isEqualTo(40);
      assertThat(buffer.flip())
          .isEqualTo(ByteBuffer.wrap(Arrays.copyOfRange(content, SIZE - 40, SIZE)));
      assertThat(channel.read(buffer.clear())).isEqualTo(-1);
      assertThat(channel.position(Long.MAX_VALUE).read(buffer)).isEqualTo(-1);
      assertThat(buffer.position()).isZero();
      assertThatThrownBy(() -> channel.position(0).read(buffer.asReadOnlyBuffer()))
          .isInstanceOf(IllegalArgumentException.class);
      assertThatThrownBy(() -> channel.position(-1)).isInstanceOf(IllegalArgumentException.class);
    }
  }

  @Test
  void aWriteOverTheEndIsShortAndOneBehindItFails() throws Exception {
    try (Image image = open(true)) {
      FileChannel channel = image.channel();
      ByteBuffer buffer = ByteBuffer.wrap(content, 0, 100);
      assertThat(channel.position(SIZE - 40).write(buffer)).isEqualTo(40);
      assertThat(buffer.remaining()).isEqualTo(60);
      ImageException e = failure(() -> channel.write(buffer));
      assertThat(e.kind()).isEqualTo(ErrorKind.OUT_OF_BOUNDS);
      assertThat(e)
          .hasMessage(path + ": write at offset " + SIZE + ", but the disk ends at " + SIZE);
      assertThat(buffer.remaining()).isEqualTo(60);
      assertThat(channel.position()).isEqualTo(SIZE);
      assertThat(channel.write(ByteBuffer.allocate(0))).isZero();
    }
  }

  @Test
  void theSizeStays() throws Exception {
    try (Image image = open(true)) {
      FileChannel channel = image.channel().position(SIZE + 900);
      assertThat(channel.truncate(SIZE + 700)).isSameAs(channel);
      assertThat(channel.position()).isEqualTo(SIZE + 700);
      assertThat(channel.truncate(SIZE).size()).isEqualTo(SIZE);
      assertThat(channel.position()).isEqualTo(SIZE);
      ImageException e = failure(() -> channel.truncate(SIZE - 1));
      assertThat(e.kind()).isEqualTo(ErrorKind.UNSUPPORTED);
      assertThat(channel.size()).isEqualTo(SIZE);
      assertThatThrownBy(() -> channel.truncate(-1)).isInstanceOf(IllegalArgumentException.class);
    }
  }

  @Test
  void aDiskThatTakesNoWritesSaysSo() throws Exception {
    byte[] before = Files.readAllBytes(Path.of(path));
    try (Image image = open(false)) {
      FileChannel channel = image.channel();
      assertThatThrownBy(() -> channel.write(ByteBuffer.allocate(1)))
          .isInstanceOf(NonWritableChannelException.class);
      assertThatThrownBy(() -> channel.truncate(SIZE))
          .isInstanceOf(NonWritableChannelException.class);
    }
    assertThat(Files.readAllBytes(Path.of(path))).isEqualTo(before);
  }

  @Test
  void closingItClosesNothingElse() throws Exception {
    fill();
    try (Image image = open(true)) {
      FileChannel other = image.channel();
      FileChannel channel = image.channel();
      channel.close();
      channel.close();
      assertThat(channel.isOpen()).isFalse();
      for (ThrowingCallable call :
          new ThrowingCallable[] {
            () -> channel.read(ByteBuffer.allocate(1)),
            () -> channel.write(ByteBuffer.allocate(1)),
            channel::position,
            () -> channel.position(0),
            channel::size,
            () -> channel.truncate(SIZE),
            () -> channel.force(true),
            () -> channel.read(ByteBuffer.allocate(1), 0),
            () -> channel.write(ByteBuffer.allocate(1), 0),
            () -> channel.read(new ByteBuffer[0]),
            () -> channel.write(new ByteBuffer[0]),
            () -> channel.transferTo(0, 1, other),
            () -> channel.transferFrom(other, 0, 1)
          }) {
        assertThatThrownBy(call).isInstanceOf(ClosedChannelException.class);
      }
      assertThat(other.isOpen()).isTrue();
      ByteBuffer buffer = ByteBuffer.allocate(1);
      assertThat(other.read(buffer)).isEqualTo(1);
      assertThat(buffer.get(0)).isEqualTo(content[0]);
    }
  }

  @Test
  void anErrorLeavesBothPositionsBehindWhatWentWell() throws Exception {
    int cluster = ImageChannel.PIECE_BYTES;
    ImageBuilder builder = ImageBuilder.v3(18, 2L * cluster);
    builder.data(0, 0x22);
    builder.l2(1, 1L << 60);
    builder.write(folder.resolve("damaged"));
    try (Image image = Images.open(folder.resolve("damaged").toString(), OpenOptions.readOnly())) {
      FileChannel channel = image.channel();
      ByteBuffer buffer = ByteBuffer.allocate(2 * cluster);
      ImageException e = failure(() -> channel.read(buffer));
      assertThat(e.kind()).isEqualTo(ErrorKind.CORRUPT);
      assertThat(channel.position()).isEqualTo(cluster);
      assertThat(buffer.position()).isEqualTo(cluster);
      assertThat(buffer.get(cluster - 1)).isEqualTo((byte) 0x22);
    }
  }

  @Test
  void threadsThatShareItGetEachByteOnce() throws Exception {
    fill();
    try (Image image = open(false)) {
      FileChannel channel = image.channel();
      long[] sums = new long[4];
      Thread[] threads = new Thread[sums.length];
      for (int i = 0; i < threads.length; i++) {
        int number = i;
        threads[i] =
            new Thread(
                () -> {
                  ByteBuffer one = ByteBuffer.allocate(333);
                  try {
                    while (channel.read(one.clear()) >= 0) {
                      sums[number] += sum(one.array(), one.position());
                    }
                  } catch (java.io.IOException e) {
                    throw new java.io.UncheckedIOException(e);
                  }
                });
        threads[i].start();
      }
      for (Thread thread : threads) {
        thread.join();
      }
      assertThat(Arrays.stream(sums).sum()).isEqualTo(sum(content, SIZE));
    }
  }

  @Test
  void requestsAtAPositionLeaveTheChannelsOwn() throws Exception {
    try (Image image = open(true)) {
      FileChannel channel = image.channel().position(77);
      int half = SIZE / 2;
      assertThat(channel.write(ByteBuffer.wrap(content, half, SIZE - half), half))
          .isEqualTo(SIZE - half);
      assertThat(channel.write(ByteBuffer.wrap(content, 0, half), 0)).isEqualTo(half);
      ByteBuffer read = ByteBuffer.allocate(SIZE);
      assertThat(channel.read(read, 0)).isEqualTo(SIZE);
      assertThat(read.array()).isEqualTo(content);
      assertThat(channel.read(read.clear(), SIZE)).isEqualTo(-1);
      assertThat(channel.write(ByteBuffer.wrap(content), SIZE - 3)).isEqualTo(3);
      assertThat(failure(() -> channel.write(ByteBuffer.allocate(1), SIZE)).kind())
          .isEqualTo(ErrorKind.OUT_OF_BOUNDS);
      assertThatThrownBy(() -> channel.read(read, -1)).isInstanceOf(IllegalArgumentException.class);
      assertThat(channel.position()).isEqualTo(77);
    }
  }

  @Test
  void aRequestAtAPositionWaitsForNoOther() throws Exception {
    fill();
    try (Image image = open(false);
        FileChannel channel = image.channel()) {
      ByteBuffer inside = ByteBuffer.allocate(10);
      // The target of a transfer asks the channel back while its own request is under way.
      WritableByteChannel asking =
          new WritableByteChannel() {
            @Override
            public int write(ByteBuffer src) throws java.io.IOException {
              FutureTask<Integer> read = new FutureTask<>(() -> channel.read(inside.clear(), 5));
              new Thread(read).start();
              try {
                assertThat(read.get(20, TimeUnit.SECONDS)).isEqualTo(10);
              } catch (Exception e) {
                throw new java.io.IOException(e);
              }
              int n = Math.min(src.remaining(), 1000);
              src.position(src.position() + n);
              return n;
            }

            @Override
            public boolean isOpen() {
              return true;
            }

            @Override
            public void close() {}
          };
      assertThat(channel.transferTo(0, SIZE, asking)).isEqualTo(1000);
      assertThat(inside.array()).isEqualTo(Arrays.copyOfRange(content, 5, 15));
    }
  }

  @Test
  void severalBuffersAreOneRequest() throws Exception {
    try (Image image = open(true);
        FileChannel channel = image.channel()) {
      ByteBuffer[] parts = {
        ByteBuffer.allocate(5), ByteBuffer.wrap(content, 0, 40), ByteBuffer.wrap(content, 40, 60)
      };
      assertThat(channel.position(SIZE - 90).write(parts, 1, 2)).isEqualTo(90);
      assertThat(parts[2].remaining()).isEqualTo(10);
      ByteBuffer first = ByteBuffer.allocate(50);
      ByteBuffer second = ByteBuffer.allocate(50);
      ByteBuffer[] both = {first, second};
      assertThat(channel.position(SIZE - 90).read(both)).isEqualTo(90);
      assertThat(first.array()).isEqualTo(Arrays.copyOfRange(content, 0, 50));
      assertThat(Arrays.copyOf(second.array(), 40)).isEqualTo(Arrays.copyOfRange(content, 50, 90));
      assertThat(channel.read(both)).isEqualTo(-1);
      assertThatThrownBy(() -> channel.read(both, 1, 2))
          .isInstanceOf(IndexOutOfBoundsException.class);
    }
  }

  @Test
  void transfersMoveADiskIntoAFileAndBack() throws Exception {
    fill();
    Path file = folder.resolve("flat");
    try (Image image = open(true);
        FileChannel channel = image.channel().position(3);
        FileChannel flat =
            FileChannel.open(
                file,
                StandardOpenOption.CREATE,
                StandardOpenOption.READ,
                StandardOpenOption.WRITE)) {
      assertThat(channel.transferTo(0, Long.MAX_VALUE, flat)).isEqualTo(SIZE);
      assertThat(Files.readAllBytes(file)).isEqualTo(content);
      assertThat(channel.transferTo(SIZE, 1, flat)).isZero();
      assertThat(channel.transferFrom(flat.position(0), 100, 1000)).isEqualTo(1000);
      assertThat(channel.transferFrom(flat.position(0), SIZE - 7, 1000)).isEqualTo(7);
      channel.force(false);
      assertThat(channel.position()).isEqualTo(3);
    }
    System.arraycopy(Files.readAllBytes(file), 0, content, 100, 1000);
    System.arraycopy(Files.readAllBytes(file), 0, content, SIZE - 7, 7);
    try (Image image = open(false)) {
      assertThat(Channels.newInputStream(image.channel()).readAllBytes()).isEqualTo(content);
    }
  }

  @Test
  void whatADiskCannotDoSaysSo() throws Exception {
    try (Image image = open(false);
        FileChannel channel = image.channel()) {
      assertThatThrownBy(() -> channel.map(FileChannel.MapMode.READ_ONLY, 0, 1))
          .isInstanceOf(UnsupportedOperationException.class);
      assertThatThrownBy(channel::lock).isInstanceOf(UnsupportedOperationException.class);
      assertThatThrownBy(channel::tryLock).isInstanceOf(UnsupportedOperationException.class);
    }
  }

  private static long sum(byte[] bytes, int length) {
    long sum = 0;
    for (int i = 0; i < length; i++) {
      sum += bytes[i] & 0xff;
    }
    return sum;
  }

  @Test
  void aReadAllocatesNothing() throws Exception {
    fill();
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    try (Image image = open(false)) {
      FileChannel channel = image.channel();
      ByteBuffer heap = ByteBuffer.allocate(4096);
      ByteBuffer direct = ByteBuffer.allocateDirect(4096);
      long allocated = Long.MAX_VALUE;
      for (int round = 0; round < 5; round++) {
        long before = threads.getCurrentThreadAllocatedBytes();
        for (int i = 0; i < 10_000; i++) {
          channel.position(i % 100 * 4096L).read(heap.clear());
          channel.position(i % 100 * 4096L).read(direct.clear());
        }
        allocated = Math.min(allocated, threads.getCurrentThreadAllocatedBytes() - before);
      }
      assertThat(allocated).as("bytes of 20000 reads").isLessThan(20_000);
    }
  }
}
