package org.qcowfs.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import java.io.RandomAccessFile;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.layer.Mapping;
import org.qcowfs.engine.model.CreateOptions;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.testing.ImageBuilder;

/** Reading and seeking through whole chains. */
final class ImageTest {
  private static final int K4 = 4096;

  @TempDir Path folder;

  private Image open(String name) throws ImageException {
    return Images.open(folder.resolve(name).toString(), OpenOptions.readOnly());
  }

  private static byte[] read(Image image, long at, int length) throws ImageException {
    DataBuffer buffer = DataBuffer.allocate(length + 32, 8);
    buffer.bytes().putLong(0, -1).putLong(16 + length, -1);
    for (int i = 0; i < length; i++) {
      buffer.bytes().put(16 + i, (byte) 0xee);
    }
    image.read(at, buffer, 16, length);
    assertThat(buffer.bytes().getLong(0)).as("before the range").isEqualTo(-1);
    assertThat(buffer.bytes().getLong(16 + length)).as("behind the range").isEqualTo(-1);
    byte[] read = new byte[length];
    buffer.bytes().get(16, read);
    return read;
  }

  private static byte[] fill(int length, int value) {
    byte[] bytes = new byte[length];
    Arrays.fill(bytes, (byte) value);
    return bytes;
  }

  @Test
  void aDiskWithoutBytesCanBeZeroed() throws Exception {
    Path file = Files.write(folder.resolve("empty"), new byte[0]);
    OpenOptions writing = OpenOptions.readOnly().withFormat("raw").withWritable(true);
    try (Image image = Images.open(file.toString(), writing)) {
      image.zero(0, 0, true);
      image.zero(0, 0, false);
      assertThat(image.size()).isZero();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"base", "./base", "link"})
  void anImageDoesNotTakeThePlaceOfItsBackingFile(String name) throws Exception {
    byte[] bytes = fill(K4, 1);
    Path base = Files.write(folder.resolve("base"), bytes);
    Files.createSymbolicLink(folder.resolve("link"), base);
    CreateOptions options = CreateOptions.ofSize(K4);
    String path = base.toString();
    assertThatThrownBy(() -> Images.replace(path, options.withBacking(name, "raw")))
        .hasMessageContaining("the same filename as the backing file");
    assertThat(Files.readAllBytes(base)).isEqualTo(bytes);
  }

  @Test
  void eachLayerHidesWhatLiesBelow() throws Exception {
    Files.write(folder.resolve("base"), fill(8 * K4, 0x11));
    ImageBuilder mid = ImageBuilder.v3(12, 8 * K4).backing("base", "raw");
    mid.data(1, 0x22);
    mid.data(2, 0x22);
    mid.l2(3, 1);
    mid.write(folder.resolve("mid"));
    ImageBuilder top = ImageBuilder.v3(12, 8 * K4).backing("mid", "qcow2");
    top.data(2, 0x33);
    top.l2(4, 1);
    top.write(folder.resolve("top"));
    byte[] expected = fill(8 * K4, 0x11);
    Arrays.fill(expected, K4, 2 * K4, (byte) 0x22);
    Arrays.fill(expected, 3 * K4, 5 * K4, (byte) 0);
    byte[] below = expected.clone();
    Arrays.fill(below, 2 * K4, 3 * K4, (byte) 0x22);
    Arrays.fill(below, 4 * K4, 5 * K4, (byte) 0x11);
    Arrays.fill(expected, 2 * K4, 3 * K4, (byte) 0x33);
    try (Image image = open("top")) {
      assertThat(read(image, 0, 8 * K4)).isEqualTo(expected);
      assertThat(read(image, K4 - 3, 5000))
          .isEqualTo(Arrays.copyOfRange(expected, K4 - 3, K4 - 3 + 5000));
      assertThat(read(image, 8 * K4, 0)).isEmpty();
      Image view = image.layer(1);
      assertThat(read(view, 0, 8 * K4)).isEqualTo(below);
      view.close();
      assertThat(read(image, 0, 8 * K4)).as("closing a view closes nothing").isEqualTo(expected);
      Mapping mapping = new Mapping();
      int[] depths = {2, 1, 0, 1, 0, 2};
      for (int i = 0; i < depths.length; i++) {
        image.resolve((long) i * K4, K4, mapping);
        assertThat(mapping.depth()).as("cluster %d", i).isEqualTo(depths[i]);
      }
    }
  }

  @Test
  void aShorterBackingFileIsFollowedByZeroes() throws Exception {
    Files.write(folder.resolve("base"), fill(K4 + 700, 0x11));
    ImageBuilder.v3(12, 4 * K4).backing("base", "raw").write(folder.resolve("top"));
    byte[] expected = fill(4 * K4, 0);
    Arrays.fill(expected, 0, K4 + 700, (byte) 0x11);
    try (Image image = open("top")) {
      assertThat(read(image, 0, 4 * K4)).isEqualTo(expected);
      assertThat(image.nextHole(0)).isEqualTo(K4 + 700);
      assertThat(image.nextData(K4 + 700)).isEqualTo(-1);
      Mapping mapping = new Mapping();
      image.resolve(K4 + 700, 1 << 20, mapping);
      assertThat(mapping.kind()).isEqualTo(Mapping.Kind.UNALLOCATED);
      assertThat(mapping.length()).isEqualTo(3 * K4 - 700);
    }
  }

  @Test
  void anEmptyBackingFileIsAllZeroes() throws Exception {
    Files.write(folder.resolve("base"), new byte[0]);
    ImageBuilder.v3(12, 4 * K4).backing("base", "raw").write(folder.resolve("top"));
    try (Image image = open("top")) {
      assertThat(read(image, 0, 4 * K4)).containsOnly(0);
    }
  }

  @Test
  void aLongerBackingFileIsCutAtTheEndOfTheDisk() throws Exception {
    Files.write(folder.resolve("base"), fill(8 * K4, 0x11));
    ImageBuilder.v3(12, 2 * K4 + 5).backing("base", "raw").write(folder.resolve("top"));
    try (Image image = open("top")) {
      assertThat(image.size()).isEqualTo(2 * K4 + 5);
      assertThat(read(image, 0, 2 * K4 + 5)).containsOnly(0x11);
      assertThat(image.nextHole(0)).isEqualTo(2 * K4 + 5);
      assertThatThrownBy(() -> read(image, 2 * K4, 6)).isInstanceOf(IllegalArgumentException.class);
    }
  }

  @Test
  void aMiddleLayerShorterThanBothHidesWhatLiesUnderItsEnd() throws Exception {
    Files.write(folder.resolve("base"), fill(4 * K4, 0x11));
    ImageBuilder.v3(12, K4).backing("base", "raw").write(folder.resolve("mid"));
    ImageBuilder.v3(12, 4 * K4).backing("mid", "qcow2").write(folder.resolve("top"));
    byte[] expected = fill(4 * K4, 0);
    Arrays.fill(expected, 0, K4, (byte) 0x11);
    try (Image image = open("top")) {
      assertThat(read(image, 0, 4 * K4)).isEqualTo(expected);
    }
  }

  @Test
  void damageStaysLocal() throws Exception {
    Files.write(folder.resolve("base"), fill(16 * K4, 0x11));
    ImageBuilder top = ImageBuilder.v3(12, 16 * K4).backing("base", "raw");
    top.data(1, 0x22);
    top.l2(2, 1L << 60);
    top.data(3, 0x33);
    top.l2(4, 1 << 24); // past the end of the file
    top.write(folder.resolve("top"));
    try (Image image = open("top")) {
      assertThat(read(image, K4, K4)).containsOnly(0x22);
      assertThat(read(image, 3 * K4, K4)).containsOnly(0x33);
      assertThat(read(image, 5 * K4, 11 * K4)).containsOnly(0x11);
      for (long at : new long[] {2 * K4, 3 * K4 - 1}) {
        assertThatThrownBy(() -> read(image, at, 1))
            .isInstanceOfSatisfying(
                ImageException.class, e -> assertThat(e.kind()).isEqualTo(ErrorKind.CORRUPT));
      }
      assertThatThrownBy(() -> read(image, 0, 16 * K4)).isInstanceOf(ImageException.class);
      assertThatThrownBy(() -> read(image, 4 * K4 + 100, 10))
          .hasMessage(
              folder.resolve("top")
                  + ": data of guest offset 0x4064 is at host offset 0x1000064, past the end of the"
                  + " file ("
                  + Files.size(folder.resolve("top"))
                  + " bytes)");
    }
  }

  @Test
  void whatIsDamagedOrPastTheEndOfTheFileCountsAsData() throws Exception {
    ImageBuilder top = ImageBuilder.v3(12, 16 * K4);
    top.l2(2, 1L << 60);
    top.l2(4, 1 << 24);
    top.l2(6, 1);
    top.write(folder.resolve("top"));
    try (Image image = open("top")) {
      assertThat(image.nextData(0)).isEqualTo(2 * K4);
      assertThat(image.nextHole(2 * K4)).isEqualTo(3 * K4);
      assertThat(image.nextData(3 * K4)).isEqualTo(4 * K4);
      assertThat(image.nextHole(4 * K4 + 9)).isEqualTo(5 * K4);
      assertThat(image.nextData(5 * K4)).isEqualTo(-1);
      assertThat(image.allocatedBytes()).isEqualTo(2 * K4);
    }
  }

  @Test
  void aDataClusterThatIsAHoleOnTheHostIsAHole() throws Exception {
    ImageBuilder top = ImageBuilder.v3(16, 1 << 20);
    top.data(1, 0x11);
    long hole = top.end();
    top.l2(2, hole).l2(3, hole + 65536);
    Path path = top.write(folder.resolve("top"), hole + 2 * 65536);
    try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
      file.seek(hole + 65536);
      file.write(fill(65536, 0x33));
    }
    try (Image image = open("top")) {
      assertThat(image.nextData(0)).isEqualTo(65536);
      assertThat(image.nextHole(65536)).isEqualTo(2 * 65536);
      assertThat(image.nextData(2 * 65536)).isEqualTo(3 * 65536);
      assertThat(image.nextHole(3 * 65536)).isEqualTo(4 * 65536);
      assertThat(read(image, 2 * 65536, 65536)).containsOnly(0);
      Mapping mapping = new Mapping();
      image.extent(2 * 65536 + 5, 1 << 20, mapping);
      assertThat(mapping.kind()).isEqualTo(Mapping.Kind.ZERO);
      assertThat(mapping.hostOffset()).isEqualTo(hole + 5);
      assertThat(mapping.depth()).isZero();
    }
  }

  @Test
  void seeksOfARawImageAreTheHostsOwn() throws Exception {
    try (RandomAccessFile file = new RandomAccessFile(folder.resolve("raw").toFile(), "rw")) {
      file.setLength(1 << 20);
      file.seek(512 << 10);
      file.write(fill(65536, 1));
    }
    try (Image image = open("raw")) {
      assertThat(image.nextData(0)).isEqualTo(512 << 10);
      assertThat(image.nextHole(512 << 10)).isEqualTo((512 << 10) + 65536);
      assertThat(image.nextData((512 << 10) + 65536)).isEqualTo(-1);
      assertThat(image.nextData(1 << 20)).isEqualTo(-1);
      assertThat(image.nextHole(1 << 20)).isEqualTo(1 << 20);
      assertThat(image.snapshots()).isEmpty();
    }
  }

  @Test
  void aRawFileThatShrinksFailsToRead() throws Exception {
    Path raw = Files.write(folder.resolve("raw"), fill(3 * K4, 1));
    try (Image image = open("raw");
        RandomAccessFile file = new RandomAccessFile(raw.toFile(), "rw")) {
      file.setLength(K4);
      assertThat(read(image, 0, K4)).containsOnly(1);
      assertThatThrownBy(() -> read(image, K4 - 1, 2))
          .hasMessage(
              raw
                  + ": data of guest offset 0x1000 is at host offset 0x1000, past the end of the"
                  + " file (4096 bytes)");
    }
  }

  @Test
  void rangesOutsideTheDiskAreRefused() throws Exception {
    ImageBuilder.v3(12, K4).write(folder.resolve("top"));
    try (Image image = open("top")) {
      DataBuffer buffer = DataBuffer.allocate(2 * K4);
      for (long[] range :
          new long[][] {{-1, 1}, {K4, 1}, {0, K4 + 1}, {Long.MAX_VALUE, 1}, {0, -1}}) {
        assertThatThrownBy(() -> image.read(range[0], buffer, 0, (int) range[1]))
            .isInstanceOf(IllegalArgumentException.class);
      }
      assertThat(image.writable()).isFalse();
      assertThatThrownBy(() -> image.write(0, buffer, 0, 1)).hasMessageEndingWith("read-only");
      image.flush();
    }
  }

  @Test
  void theLargestDiskCanBeAskedAtItsEnds() throws Exception {
    long size = (4L << 20) << 39; // what an L1 table of 32 MiB covers with 2 MiB clusters
    ImageBuilder builder = ImageBuilder.v3(21, size);
    builder.write(folder.resolve("top"));
    try (Image image = open("top")) {
      assertThat(read(image, size - 10, 10)).containsOnly(0);
      assertThat(image.nextData(size - 1)).isEqualTo(-1);
      assertThat(image.nextHole(size - 1)).isEqualTo(size - 1);
      assertThat(image.nextData(0)).isEqualTo(-1);
      assertThat(image.allocatedBytes()).isZero();
    }
  }

  /** Random chains of three against an array. */
  @Test
  void agreesWithAModelOverRandomChains() throws Exception {
    for (long seed = 1; seed <= 20; seed++) {
      Random random = new Random(seed);
      int size = 40 * 512 + random.nextInt(4000);
      byte[] model = new byte[size];
      String below = "";
      for (int layer = 0; layer < 3; layer++) {
        int bits = 9 + random.nextInt(4);
        int cluster = 1 << bits;
        ImageBuilder builder = ImageBuilder.v3(bits, size);
        if (!below.isEmpty()) {
          builder.backing(below, "qcow2");
        }
        for (int i = 0; i < (size + cluster - 1) / cluster; i++) {
          int end = Math.min(size, (i + 1) * cluster);
          switch (random.nextInt(4)) {
            case 0 -> {
              int value = 1 + random.nextInt(255);
              builder.data(i, value);
              Arrays.fill(model, i * cluster, end, (byte) value);
            }
            case 1 -> {
              builder.l2(i, random.nextBoolean() ? 1 : builder.end() * 64 + 1 & -cluster | 1);
              Arrays.fill(model, i * cluster, end, (byte) 0);
            }
            default -> builder.l2(i, 0);
          }
        }
        below = "layer" + seed + "-" + layer;
        builder.write(folder.resolve(below));
      }
      try (Image image = open(below)) {
        assertThat(read(image, 0, size)).as("seed %d", seed).isEqualTo(model);
        for (int i = 0; i < 50; i++) {
          int at = random.nextInt(size);
          int length = random.nextInt(size - at + 1);
          assertThat(read(image, at, length))
              .as("seed %d, %d+%d", seed, at, length)
              .isEqualTo(Arrays.copyOfRange(model, at, at + length));
        }
      }
    }
  }

  // Allocation

  private interface Action {
    void run() throws ImageException;
  }

  /** Bytes that 1,000 calls allocate once everything is warm. */
  private static long allocation(Action action) throws ImageException {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long allocated = Long.MAX_VALUE;
    for (int round = 0; round < 30 && allocated > 0; round++) {
      long before = threads.getCurrentThreadAllocatedBytes();
      for (int i = 0; i < 1_000; i++) {
        action.run();
      }
      allocated = threads.getCurrentThreadAllocatedBytes() - before;
    }
    return allocated;
  }

  private void allocatesNothing(Image image) throws ImageException {
    DataBuffer buffer = DataBuffer.allocate(8 * K4);
    long[] sum = new long[1];
    assertThat(allocation(() -> image.read(100, buffer, 0, 7 * K4))).as("read").isZero();
    assertThat(
            allocation(
                () -> {
                  for (long at = 0; at < image.size(); at += 2 * K4) {
                    sum[0] += image.nextData(at) + image.nextHole(at);
                  }
                }))
        .as("seek")
        .isZero();
    Mapping mapping = new Mapping();
    assertThat(allocation(() -> image.resolve(K4, 1 << 20, mapping))).as("resolve").isZero();
    assertThat(sum[0]).isNotZero();
  }

  @Test
  void readingAndSeekingAllocateNothing() throws Exception {
    ImageBuilder top = ImageBuilder.v3(12, 16 * K4);
    top.data(0, 1);
    top.data(2, 2);
    top.l2(3, 1);
    top.data(5, 3);
    top.write(folder.resolve("top"));
    try (Image image = open("top")) {
      allocatesNothing(image);
    }
  }

  @Test
  void readingAndSeekingThrough64LayersAllocateNothing() throws Exception {
    Files.write(folder.resolve("0"), fill(16 * K4, 0x11));
    for (int i = 1; i < 64; i++) {
      ImageBuilder layer =
          ImageBuilder.v3(12, 16 * K4).backing("" + (i - 1), i == 1 ? "raw" : "qcow2");
      layer.data(i % 16, i);
      layer.write(folder.resolve("" + i));
    }
    try (Image image = open("63")) {
      assertThat(image.depth()).isEqualTo(64);
      allocatesNothing(image);
      assertThat(read(image, 15 * K4, 1)[0]).isEqualTo((byte) 63);
      assertThat(read(image, 0, 1)[0]).isEqualTo((byte) 48);
    }
  }
}
