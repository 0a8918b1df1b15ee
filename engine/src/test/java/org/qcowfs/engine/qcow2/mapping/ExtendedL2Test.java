package org.qcowfs.engine.qcow2.mapping;

import static org.assertj.core.api.Assertions.assertThat;
import static org.qcowfs.engine.layer.Mapping.Kind.COMPRESSED;
import static org.qcowfs.engine.layer.Mapping.Kind.DAMAGED;
import static org.qcowfs.engine.layer.Mapping.Kind.DATA;
import static org.qcowfs.engine.layer.Mapping.Kind.UNALLOCATED;
import static org.qcowfs.engine.layer.Mapping.Kind.ZERO;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.layer.Mapping;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.testing.ImageBuilder;

/** Extended L2 entries: 16 KiB clusters of 32 subclusters of 512 bytes. */
final class ExtendedL2Test {
  private static final long CLUSTER = 16384;
  private static final long DISK = 1 << 20;
  private static final long ALL = 0xffffffffL;

  @TempDir Path folder;
  private @Nullable Image image;
  private final Mapping out = new Mapping();
  private final ImageBuilder builder = ImageBuilder.extended(14, DISK);

  private void open() throws ImageException {
    Path path = builder.write(folder.resolve("disk.qcow2"));
    image = Images.open(path.toString(), OpenOptions.readOnly());
  }

  private Image image() {
    return Objects.requireNonNull(image);
  }

  @AfterEach
  void close() throws ImageException {
    if (image != null) {
      image.close();
    }
  }

  private void expect(long guest, Mapping.Kind kind, long host, long length) {
    image().resolve(guest, DISK, out);
    assertThat(out.kind()).isEqualTo(kind);
    assertThat(out.hostOffset()).as("host offset").isEqualTo(host);
    assertThat(out.length()).as("length").isEqualTo(length);
  }

  private void expectDamage(long guest, long length, String wrong) {
    image().resolve(guest, DISK, out);
    assertThat(out.kind()).isEqualTo(DAMAGED);
    assertThat(out.length()).as("length").isEqualTo(length);
    assertThat(out.damage().detail())
        .isEqualTo(
            String.format(
                "L2 entry at host offset 0x%x (guest offset 0x%x) %s",
                builder.l2EntryOffset(guest / CLUSTER), guest, wrong));
  }

  @Test
  void tellsSubclustersOfOneClusterApart() throws ImageException {
    builder.l2EntryOffset(0);
    long host = builder.append(1);
    // 0 data, 1-2 unallocated, 3 zero, 4 data, 5-31 unallocated
    builder.l2(0, host, 1L << 35 | 1 << 4 | 1);
    open();
    expect(10, DATA, host + 10, 502);
    expect(512, UNALLOCATED, host + 512, 1024);
    expect(1024 + 7, UNALLOCATED, host + 1024 + 7, 505);
    expect(1536, ZERO, host + 1536, 512);
    expect(2048, DATA, host + 2048, 512);
    expect(2560, UNALLOCATED, host + 2560, CLUSTER - 2560);
    expect(CLUSTER, UNALLOCATED, -1, DISK - CLUSTER);
  }

  @Test
  void joinsDataAcrossContiguousClusters() throws ImageException {
    builder.l2EntryOffset(0);
    long host = builder.append(1);
    builder.append(2);
    builder.append(3);
    builder
        .l2(0, host | 1L << 63, ALL << 30 & ALL)
        .l2(1, host + CLUSTER, ALL)
        .l2(2, host + 2 * CLUSTER, 1);
    open();
    expect(30 * 512 + 3, DATA, host + 30 * 512 + 3, 1024 + CLUSTER + 512 - 3);
  }

  @Test
  void doesNotJoinDataThatIsElsewhereOnTheHost() throws ImageException {
    builder.l2EntryOffset(0);
    long host = builder.append(1);
    builder.l2(0, host, ALL).l2(1, host + 2 * CLUSTER, ALL);
    open();
    expect(0, DATA, host, CLUSTER);
  }

  @Test
  void joinsZeroesWithoutAHostClusterButNotWithThoseThatHaveOne() throws ImageException {
    builder.l2EntryOffset(0);
    long host = builder.append(1);
    builder
        .l2(0, 0, ALL << 32)
        .l2(1, 0, ALL << 32)
        .l2(2, host, ALL << 32)
        .l2(3, host + CLUSTER, 1L << 32);
    open();
    expect(0, ZERO, -1, 2 * CLUSTER);
    expect(2 * CLUSTER + 1, ZERO, host + 1, CLUSTER + 511);
  }

  @Test
  void joinsUnallocatedSubclustersWithTheirOwnKindOnly() throws ImageException {
    builder.l2EntryOffset(0);
    long host = builder.append(1);
    builder.l2(0, host, 1).l2(1, host + CLUSTER, 1L << 34).l2(2, 0, 0).l2(3, 0, 1L << 33);
    open();
    expect(512, UNALLOCATED, host + 512, CLUSTER - 512 + 1024);
    expect(CLUSTER + 1024, ZERO, host + CLUSTER + 1024, 512);
    expect(CLUSTER + 1536, UNALLOCATED, host + CLUSTER + 1536, CLUSTER - 1536);
    expect(2 * CLUSTER, UNALLOCATED, -1, CLUSTER + 512);
    expect(3 * CLUSTER + 512, ZERO, -1, 512);
  }

  @Test
  void bothBitsOfASubclusterSpoilTheCluster() throws ImageException {
    builder.l2EntryOffset(0);
    long host = builder.append(1);
    builder.l2(0, host, ALL).l2(1, host + CLUSTER, ALL | 1L << 63);
    open();
    expect(0, DATA, host, CLUSTER);
    expectDamage(
        CLUSTER + 5,
        CLUSTER - 5,
        "has subcluster bitmap 0x80000000ffffffff, with subclusters both allocated and zero");
  }

  @Test
  void allocatedSubclustersWithoutAHostOffsetSpoilTheCluster() throws ImageException {
    builder.l2(0, 0, 2);
    open();
    expectDamage(
        0, CLUSTER, "has subcluster bitmap 0x2, with subclusters allocated but no host offset");
  }

  @Test
  void theZeroBitOfStandardEntriesIsReserved() throws ImageException {
    builder.l2(0, 1, 0);
    open();
    expectDamage(0, CLUSTER, "is 0x1, with reserved bits set");
  }

  @Test
  void compressedClustersHaveNoBitmap() throws ImageException {
    builder.l2(0, builder.compressedEntry(0x20000, 100), 0);
    builder.l2(1, builder.compressedEntry(0x20000, 100), 1L << 40);
    open();
    expect(3, COMPRESSED, 0x20000, CLUSTER - 3);
    expectDamage(CLUSTER, CLUSTER, "is a compressed cluster with a subcluster bitmap");
  }

  @Test
  void readsWhatQemuWrote() throws Exception {
    Path path = Files.write(folder.resolve("disk.qcow2"), ImageBuilder.golden("extl2"));
    image = Images.open(path.toString(), OpenOptions.readOnly());
    byte[] expected = new byte[1 << 20];
    java.util.Arrays.fill(expected, 0, 512, (byte) 0x11);
    java.util.Arrays.fill(expected, 1024, 2048, (byte) 0x22);
    java.util.Arrays.fill(expected, 32768, 32768 + 512, (byte) 0x33);
    DataBuffer buffer = DataBuffer.allocate(1 << 20);
    image().read(0, buffer, 0, 1 << 20);
    byte[] read = new byte[1 << 20];
    buffer.bytes().get(0, read);
    assertThat(read).isEqualTo(expected);
    assertThat(image().nextData(0)).isZero();
    assertThat(image().nextHole(0)).isEqualTo(512);
    assertThat(image().nextData(512)).isEqualTo(1024);
    assertThat(image().nextData(2048)).isEqualTo(32768);
    assertThat(image().nextData(32768 + 512)).isEqualTo(-1);
  }

  /** Random bitmaps against a subcluster-by-subcluster model. */
  @Test
  void agreesWithASubclusterBySubclusterReading() throws ImageException {
    long seed = 20261120;
    Random random = new Random(seed);
    int clusters = 32;
    long[] hosts = new long[clusters];
    long[] bitmaps = new long[clusters];
    builder.l2EntryOffset(0);
    long next = builder.end();
    for (int i = 0; i < clusters; i++) {
      builder.append(i);
      hosts[i] = random.nextInt(4) == 0 ? 0 : next + (random.nextInt(4) == 0 ? 0 : i * CLUSTER);
      long alloc = hosts[i] == 0 ? 0 : pick(random);
      bitmaps[i] = (pick(random) & ~alloc) << 32 | alloc;
      builder.l2(i, hosts[i], bitmaps[i]);
    }
    open();
    for (long at = 0; at < clusters * CLUSTER; ) {
      image().resolve(at, clusters * CLUSTER - at, out);
      assertThat(out.length()).isPositive();
      for (long sub = at; sub < at + out.length(); sub += 512) {
        int cluster = (int) (sub / CLUSTER);
        int bit = (int) (sub % CLUSTER / 512);
        boolean allocated = (bitmaps[cluster] >>> bit & 1) != 0;
        boolean zero = (bitmaps[cluster] >>> 32 + bit & 1) != 0;
        assertThat(out.kind())
            .as("seed %d, guest 0x%x", seed, sub)
            .isEqualTo(allocated ? DATA : zero ? ZERO : UNALLOCATED);
        if (allocated || zero) {
          assertThat(out.hasHostOffset() ? out.hostOffset() + sub - at : -1)
              .as("seed %d, guest 0x%x", seed, sub)
              .isEqualTo(hosts[cluster] == 0 ? -1 : hosts[cluster] + sub % CLUSTER);
        }
      }
      at += out.length();
    }
  }

  /** Half of the time all or nothing, so that runs cross clusters. */
  private static long pick(Random random) {
    return switch (random.nextInt(4)) {
      case 0 -> 0;
      case 1 -> ALL;
      case 2 -> ALL << random.nextInt(32) & ALL;
      default -> random.nextInt() & ALL;
    };
  }
}
