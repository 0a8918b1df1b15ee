package org.qcowfs.engine;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.layer.Mapping;
import org.qcowfs.engine.model.BackingPolicy;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.model.SnapshotInfo;
import org.qcowfs.engine.testing.ImageBuilder;

/**
 * Images that qemu-img made, with fields overwritten by the values that break programs: whatever
 * comes of it, it is a one-line error or bytes, in little memory.
 */
final class HostileImageTest {
  private static final long[] EDGES = {
    0,
    1,
    7,
    8,
    9,
    21,
    22,
    63,
    64,
    72,
    104,
    255,
    511,
    512,
    4095,
    4096,
    65535,
    65536,
    0x7fffffffL,
    0x80000000L,
    0xffffffffL,
    1L << 32,
    1L << 40,
    (1L << 55) - 512,
    1L << 55,
    0x00fffffffffffe00L,
    1L << 56,
    1L << 61,
    1L << 62,
    Long.MAX_VALUE,
    Long.MIN_VALUE,
    -4096,
    -1,
    1L << 63 | 4096,
    1L << 62 | 4096,
    0x1000,
    0x2000,
    0x3000,
    0x4000
  };
  private static final int ROUNDS = 250;

  @TempDir Path folder;
  private final DataBuffer buffer = DataBuffer.allocate(1 << 16);

  @ParameterizedTest
  @ValueSource(
      strings = {"v2", "v3", "backed", "extl2", "zlib", "zstd", "datafile", "bitmaps", "snapshots"})
  void giveAnErrorOrBytesInLittleMemory(String name) throws Exception {
    byte[] sound = ImageBuilder.golden(name);
    Files.write(folder.resolve("base.raw"), new byte[70_000]);
    Files.write(folder.resolve("ext.raw"), new byte[65_536]);
    Path path = folder.resolve("disk.qcow2");
    int[] used = usedWords(sound);
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    int opened = 0;
    for (int seed = 0; seed < ROUNDS; seed++) {
      Files.write(path, mutate(sound, used, new Random(seed)));
      long before = threads.getCurrentThreadAllocatedBytes();
      try {
        opened += visit(path) ? 1 : 0;
      } catch (RuntimeException | Error e) {
        throw new AssertionError("image " + name + ", seed " + seed, e);
      }
      assertThat(threads.getCurrentThreadAllocatedBytes() - before)
          .as("bytes allocated, image %s, seed %d", name, seed)
          .isLessThan(32L << 20);
    }
    assertThat(opened).as("images that still open").isBetween(ROUNDS / 20, ROUNDS - 1);
  }

  /** Offsets of the words that are not zero, and of those beside them. */
  private static int[] usedWords(byte[] image) {
    ByteBuffer words = ByteBuffer.wrap(image);
    return java.util.stream.IntStream.range(1, image.length / 8 - 1)
        .filter(i -> words.getLong(i * 8) != 0 || words.getLong(i * 8 - 8) != 0)
        .map(i -> i * 8)
        .filter(at -> at < 512 || at % 512 < 128)
        .toArray();
  }

  private static byte[] mutate(byte[] sound, int[] used, Random random) {
    byte[] image = sound.clone();
    ByteBuffer bytes = ByteBuffer.wrap(image);
    for (int change = random.nextInt(3); change >= 0; change--) {
      int at = used[random.nextInt(used.length)];
      long value = EDGES[random.nextInt(EDGES.length)];
      switch (random.nextInt(4)) {
        case 0 -> bytes.putLong(at, value);
        case 1 -> bytes.putInt(at + 4 * random.nextInt(2), (int) value);
        case 2 -> bytes.putShort(at + 2 * random.nextInt(4), (short) value);
        default -> bytes.put(at + random.nextInt(8), (byte) (1 << random.nextInt(8)));
      }
    }
    return random.nextInt(8) == 0 ? Arrays.copyOf(image, random.nextInt(image.length)) : image;
  }

  /** Looks at everything a user could; returns whether the image opened. */
  private boolean visit(Path path) {
    OpenOptions options =
        OpenOptions.readOnly()
            .withFormat("qcow2")
            .withBackingPolicy(BackingPolicy.SAME_DIR)
            .withCacheBytes(1 << 20)
            .withWarnings(HostileImageTest::oneLine);
    try (Image described = Images.open(path.toString(), options.forDescription())) {
      assertThat(described.info().format()).isEqualTo("qcow2");
    } catch (ImageException e) {
      oneLine(e.detail());
    }
    try (Image image = Images.open(path.toString(), options)) {
      walk(image);
      for (SnapshotInfo snapshot :
          image.snapshots().subList(0, Math.min(3, image.snapshots().size()))) {
        try {
          walk(image.snapshot(snapshot));
          walk(image.vmState(snapshot));
        } catch (ImageException e) {
          oneLine(e.detail());
        }
      }
      return true;
    } catch (ImageException e) {
      oneLine(e.detail());
      return false;
    }
  }

  private void walk(Image image) {
    Mapping mapping = new Mapping();
    long at = 0;
    for (int step = 0; step < 100 && at < image.size(); step++) {
      image.resolve(at, image.size() - at, mapping);
      assertThat(mapping.length()).isBetween(1L, image.size() - at);
      try {
        int length = (int) Math.min(mapping.length(), buffer.capacity());
        image.read(at, buffer, 0, length);
      } catch (ImageException e) {
        oneLine(e.detail());
      }
      at += mapping.length();
    }
    try {
      long data = image.nextData(0);
      long hole = image.nextHole(image.size() / 2);
      assertThat(data).isLessThan(Math.max(1, image.size()));
      assertThat(hole).isBetween(image.size() / 2, image.size());
    } catch (ImageException e) {
      oneLine(e.detail());
    }
  }

  private static void oneLine(String message) {
    assertThat(message.chars().allMatch(c -> c >= 0x20 && c != 0x7f)).as(message).isTrue();
  }
}
