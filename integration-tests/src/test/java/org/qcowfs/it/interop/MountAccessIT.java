package org.qcowfs.it.interop;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.engine.host.posix.PosixCalls;
import org.qcowfs.it.corpus.Corpus;
import org.qcowfs.it.corpus.Oracle;
import org.qcowfs.it.support.HoleMap;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.Sha256;
import org.qcowfs.it.support.TempImages;

/** Every way a program may read the mounted disk gives the bytes that QEMU converts to. */
@ParameterizedClass(name = "{0}")
@ValueSource(
    strings = {
      "compressed-over-chain",
      "extended-l2-over-base",
      "chain-64",
      "data-file-chain",
      "cluster-512",
      "chain-raw-odd-bytes"
    })
class MountAccessIT {
  private static final int LONGEST = 300_000;

  private final Path image;
  private final TempImages scratch = TempImages.create("access");
  private final Path raw = scratch.path("raw");
  private final Mounted mounted;

  MountAccessIT(String recipe) {
    this.image = Corpus.image(recipe);
    QemuImg.toRaw(image, "qcow2", raw);
    this.mounted = Mounted.mount(image, scratch.makeFolder("mnt"));
  }

  @AfterEach
  void unmount() {
    try (scratch) {
      mounted.close();
    }
  }

  @Test
  void readsOfOddSizesAtOddOffsets() throws IOException {
    try (FileChannel mine = FileChannel.open(mounted.disk(), StandardOpenOption.READ);
        FileChannel truth = FileChannel.open(raw, StandardOpenOption.READ)) {
      compareAtRandom(mine, truth, new Random(11), 400);
    }
  }

  @Test
  void readsPastTheEndAreShort() throws IOException {
    try (FileChannel mine = FileChannel.open(mounted.disk(), StandardOpenOption.READ)) {
      long size = mine.size();
      assertThat(mine.read(ByteBuffer.allocate(100), size)).isEqualTo(-1);
      assertThat(mine.read(ByteBuffer.allocate(100), size + 5000)).isEqualTo(-1);
      assertThat(mine.read(ByteBuffer.allocate(100), size - 30)).isEqualTo(30);
    }
  }

  @Test
  void parallelReaders() throws Exception {
    ExecutorService readers = Executors.newFixedThreadPool(4);
    try (FileChannel mine = FileChannel.open(mounted.disk(), StandardOpenOption.READ);
        FileChannel truth = FileChannel.open(raw, StandardOpenOption.READ)) {
      List<Future<?>> all = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        Random random = new Random(20 + i);
        all.add(
            readers.submit(
                () -> {
                  compareAtRandom(mine, truth, random, 150);
                  return null;
                }));
      }
      for (Future<?> one : all) {
        one.get();
      }
    } finally {
      readers.shutdownNow();
    }
  }

  @Test
  void directReads() throws IOException {
    int fd = PosixCalls.open(mounted.disk().toString(), PosixCalls.O_RDONLY | PosixCalls.O_DIRECT);
    assertThat(fd).as("open with O_DIRECT: %s", Errno.text(PosixCalls.errno())).isNotNegative();
    try (FileChannel truth = FileChannel.open(raw, StandardOpenOption.READ)) {
      Random random = new Random(30);
      DataBuffer buffer = DataBuffer.allocate(1 << 20);
      for (int i = 0; i < 200; i++) {
        long offset = random.nextLong(truth.size()) & -512;
        int length = 512 * (1 + random.nextInt(1 << (1 + random.nextInt(11))));
        long got = PosixCalls.pread(fd, buffer.address(), length, offset);
        byte[] wanted = bytes(truth, offset, length);
        assertThat(got).as("bytes read at %d+%d", offset, length).isEqualTo(wanted.length);
        byte[] mine = new byte[wanted.length];
        buffer.bytes().get(0, mine);
        assertThat(mine).as("direct read at %d+%d", offset, length).isEqualTo(wanted);
      }
    } finally {
      PosixCalls.close(fd);
    }
  }

  @Test
  void memoryMapped() throws Exception {
    try (FileChannel mine = FileChannel.open(mounted.disk(), StandardOpenOption.READ);
        FileChannel truth = FileChannel.open(raw, StandardOpenOption.READ)) {
      MappedByteBuffer map = mine.map(FileChannel.MapMode.READ_ONLY, 0, mine.size());
      Random random = new Random(40);
      for (int i = 0; i < 200; i++) {
        long offset = random.nextLong(truth.size());
        byte[] wanted = bytes(truth, offset, 1 + random.nextInt(20_000));
        byte[] got = new byte[wanted.length];
        map.get((int) offset, got);
        assertThat(got).as("mapped bytes at %d+%d", offset, wanted.length).isEqualTo(wanted);
      }
      unmap(map);
    }
  }

  @Test
  void sparseCopyTakesNoMoreThanTheData() {
    Path copy = scratch.path("copy");
    Run.ok("cp", "--sparse=auto", mounted.disk().toString(), copy.toString());
    Run.ok("sync", copy.toString());
    HoleMap extents = Oracle.views(image).get(0).extents();
    // Blocks of the host are 4 KiB; a stretch of data may touch one more at each end.
    long room = extents.dataBytes() + extents.data().size() * 8192L + 65536;
    assertThat(Compare.allocatedBytes(copy)).as("blocks of the copy").isLessThanOrEqualTo(room);
    assertThat(Sha256.ofFile(copy)).isEqualTo(Sha256.ofFile(raw));
  }

  /** A mapping keeps the mount busy, and Java 17 has no public way to end one. */
  private static void unmap(MappedByteBuffer map) throws ReflectiveOperationException {
    Class<?> type = Class.forName("sun.misc.Unsafe");
    Field unsafe = type.getDeclaredField("theUnsafe");
    unsafe.setAccessible(true);
    type.getMethod("invokeCleaner", ByteBuffer.class).invoke(unsafe.get(null), map);
  }

  private static void compareAtRandom(FileChannel mine, FileChannel truth, Random random, int times)
      throws IOException {
    for (int i = 0; i < times; i++) {
      long offset = random.nextLong(truth.size());
      int length = 1 + random.nextInt(i % 4 == 0 ? LONGEST : 5000);
      assertThat(bytes(mine, offset, length))
          .as("read at %d+%d", offset, length)
          .isEqualTo(bytes(truth, offset, length));
    }
  }

  /** The bytes of a range, fewer where the file ends. */
  private static byte[] bytes(FileChannel file, long offset, int length) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate((int) Math.min(length, file.size() - offset));
    while (buffer.hasRemaining() && file.read(buffer, offset + buffer.position()) >= 0) {
      continue;
    }
    return buffer.array();
  }
}
