package org.qcowfs.engine.qcow2.mapping;

import static org.assertj.core.api.Assertions.assertThat;
import static org.qcowfs.engine.layer.Mapping.Kind.COMPRESSED;
import static org.qcowfs.engine.layer.Mapping.Kind.DAMAGED;
import static org.qcowfs.engine.layer.Mapping.Kind.DATA;
import static org.qcowfs.engine.layer.Mapping.Kind.UNALLOCATED;
import static org.qcowfs.engine.layer.Mapping.Kind.ZERO;

import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.layer.Mapping;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.testing.ImageBuilder;

/** Every kind of L1 and L2 entry, from bytes on disk to the answer. */
final class L2DecoderTest {
  private static final long COPIED = 1L << 63;
  private static final long K4 = 4096;

  @TempDir Path folder;
  private @Nullable Image image;
  private final Mapping out = new Mapping();

  private void open(ImageBuilder builder) throws ImageException {
    open(builder, builder.end());
  }

  private void open(ImageBuilder builder, long fileLength) throws ImageException {
    Path path = builder.write(folder.resolve("disk.qcow2"), fileLength);
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

  private void expect(long guest, long asked, Mapping.Kind kind, long host, long length) {
    image().resolve(guest, asked, out);
    assertThat(out.kind()).isEqualTo(kind);
    assertThat(out.hostOffset()).as("host offset").isEqualTo(host);
    assertThat(out.length()).as("length").isEqualTo(length);
  }

  private void expectDamage(long guest, long asked, long length, String message) {
    image().resolve(guest, asked, out);
    assertThat(out.kind()).isEqualTo(DAMAGED);
    assertThat(out.length()).as("length").isEqualTo(length);
    assertThat(out.damage().detail()).isEqualTo(message);
  }

  private static String l2Damage(long entryOffset, long guest, String wrong) {
    return String.format(
        "L2 entry at host offset 0x%x (guest offset 0x%x) %s", entryOffset, guest, wrong);
  }

  // Standard entries

  @Test
  void aMissingL2TableIsUnallocatedToTheEndOfTheDisk() throws ImageException {
    open(ImageBuilder.v3(12, 10 << 20));
    expect(5, Long.MAX_VALUE - 5, UNALLOCATED, -1, (10 << 20) - 5);
    expect(5, 100, UNALLOCATED, -1, 100);
  }

  @Test
  void anEmptyEntryIsUnallocatedUpToTheNextDifferentOne() throws ImageException {
    ImageBuilder builder = ImageBuilder.v3(12, 1 << 20);
    long data = builder.data(10, 0x11);
    open(builder);
    expect(0, 1 << 20, UNALLOCATED, -1, 10 * K4);
    expect(10 * K4, 1 << 20, DATA, data, K4);
    expect(11 * K4 + 7, 1 << 20, UNALLOCATED, -1, (1 << 20) - 11 * K4 - 7);
  }

  @Test
  void copiedAloneNamesTheHeader() throws ImageException {
    ImageBuilder builder = ImageBuilder.v3(12, 1 << 20).l2(0, COPIED).l2(1, 0);
    open(builder);
    image().resolve(0, 1 << 20, out);
    assertThat(out.kind()).isEqualTo(DAMAGED);
    assertThat(out.length()).as("length").isEqualTo(4096);
    assertThat(out.damage().detail()).endsWith("names host offset 0x0, the header");
    expect(4096, 1 << 20, UNALLOCATED, -1, (1 << 20) - 4096);
  }

  @Test
  void joinsDataThatIsContiguousOnTheHostWhateverItsCopiedFlags() throws ImageException {
    ImageBuilder builder = ImageBuilder.v3(12, 1 << 20);
    long first = builder.data(3, 1);
    long second = builder.append(2);
    builder.l2(4, second).l2(5, builder.append(3) | COPIED);
    long away = builder.append(9);
    builder.l2(6, builder.append(4) | COPIED).l2(7, away);
    open(builder);
    expect(3 * K4 + 100, 1 << 20, DATA, first + 100, 3 * K4 - 100);
    expect(3 * K4 + 100, K4, DATA, first + 100, K4);
    expect(6 * K4, 1 << 20, DATA, away + K4, K4);
    expect(7 * K4, 1 << 20, DATA, away, K4);
  }

  @Test
  void zeroEntriesJoinWithTheirOwnKindOnly() throws ImageException {
    ImageBuilder builder = ImageBuilder.v3(12, 1 << 20);
    long host = builder.data(9, 9);
    long next = builder.append(9);
    builder.l2(0, 1).l2(1, 1).l2(2, host | 1).l2(3, next | 1 | COPIED).l2(4, next + K4 * 40 | 1);
    builder.l2(5, 0);
    open(builder);
    expect(1, 1 << 20, ZERO, -1, 2 * K4 - 1);
    expect(2 * K4 + 8, 1 << 20, ZERO, host + 8, 2 * K4 - 8);
    expect(4 * K4, 1 << 20, ZERO, next + K4 * 40, K4); // past the end of the file: never read
    expect(5 * K4, 1 << 20, UNALLOCATED, -1, 4 * K4);
  }

  @Test
  void version2HasNoZeroEntries() throws ImageException {
    ImageBuilder builder = ImageBuilder.v2(12, 1 << 20).l2(2, 1);
    open(builder);
    expectDamage(
        2 * K4 + 1,
        1 << 20,
        K4 - 1,
        l2Damage(builder.l2EntryOffset(2), 2 * K4 + 1, "is 0x1, with reserved bits set"));
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 5, 8, 56, 57, 60, 61})
  void reservedBitsSpoilTheirClusterOnly(int bit) throws ImageException {
    ImageBuilder builder = ImageBuilder.v3(12, 1 << 20);
    long host = builder.data(1, 1);
    builder.l2(2, builder.append(2) | 1L << bit).l2(3, builder.append(3));
    open(builder);
    expect(K4, 1 << 20, DATA, host, K4);
    expectDamage(
        2 * K4 + 16,
        1 << 20,
        K4 - 16,
        l2Damage(
            builder.l2EntryOffset(2),
            2 * K4 + 16,
            String.format("is 0x%x, with reserved bits set", host + K4 | 1L << bit)));
    expect(3 * K4, 1 << 20, DATA, host + 2 * K4, K4);
  }

  @Test
  void theHighestHostOffsetDoesNotJoinWhatWouldOverflowIt() throws ImageException {
    long highest = 0x00fffffffffff000L;
    ImageBuilder builder = ImageBuilder.v3(12, 1 << 20).l2(0, highest).l2(1, 1L << 56);
    open(builder);
    expect(0, 1 << 20, DATA, highest, K4);
    expectDamage(
        K4,
        1 << 20,
        K4,
        l2Damage(builder.l2EntryOffset(1), K4, "is 0x100000000000000, with reserved bits set"));
  }

  @Test
  void aMisalignedHostOffsetIsDamage() throws ImageException {
    ImageBuilder builder = ImageBuilder.v3(12, 1 << 20);
    long at = builder.append(1) + 512;
    builder.l2(0, at);
    open(builder);
    expectDamage(
        0,
        1 << 20,
        K4,
        l2Damage(
            builder.l2EntryOffset(0),
            0,
            String.format("names host offset 0x%x, not on a cluster boundary", at)));
  }

  @Test
  void dataOverTablesIsDamage() throws ImageException {
    ImageBuilder builder = ImageBuilder.v3(12, 1 << 20);
    long l2Table = builder.l2EntryOffset(0);
    builder.l2(1, K4).l2(2, 3 * K4).l2(3, l2Table).l2(4, COPIED | 5 * K4 + 512 * 0);
    long[] tables = {K4, 3 * K4, l2Table};
    open(builder, builder.end() + 16 * K4);
    for (int i = 0; i < tables.length; i++) {
      expectDamage(
          (i + 1) * K4,
          1 << 20,
          K4,
          l2Damage(
              l2Table + (i + 1) * 8L,
              (i + 1) * K4,
              String.format("names host offset 0x%x, which is metadata", tables[i])));
    }
  }

  @Test
  void dataBeforeItsOwnL2TableIsCutThere() throws ImageException {
    ImageBuilder builder = ImageBuilder.v3(12, 1 << 20);
    long before = builder.append(0x77);
    long l2Table = builder.l2EntryOffset(0);
    builder.l2(0, before).l2(1, l2Table).l2(2, builder.append(0x78));
    open(builder);
    expect(8, 1 << 20, DATA, before + 8, K4 - 8);
    expectDamage(
        K4,
        1 << 20,
        K4,
        l2Damage(
            l2Table + 8, K4, String.format("names host offset 0x%x, which is metadata", l2Table)));
    expect(2 * K4, K4, DATA, l2Table + K4, K4);
  }

  @Test
  void dataPastTheEndOfTheFileIsMappedAndFailsWhenRead() throws ImageException {
    ImageBuilder builder = ImageBuilder.v3(12, 1 << 20).l2(0, 1 << 20);
    open(builder);
    expect(0, 1 << 20, DATA, 1 << 20, K4);
  }

  @Test
  void anL2TableThatTheFileEndsInSpoilsWhatIsMissing() throws ImageException {
    ImageBuilder builder = ImageBuilder.v3(12, 1 << 20);
    long host = builder.append(1);
    long l2Table = builder.l2EntryOffset(0);
    builder.l2(0, host);
    open(builder, l2Table + 20); // two entries and a half
    expect(0, 1 << 20, DATA, host, K4);
    expect(K4, 1 << 20, UNALLOCATED, -1, K4);
    expectDamage(
        2 * K4, 1 << 20, K4, l2Damage(l2Table + 16, 2 * K4, "is past the end of the file"));
  }

  // Compressed entries

  @Test
  void compressedEntriesAreOneClusterEach() throws ImageException {
    ImageBuilder builder = ImageBuilder.v3(12, 1 << 20);
    builder.l2(0, builder.compressedEntry(0x12345, 700));
    builder.l2(1, builder.compressedEntry(0x12345, 700) | COPIED);
    open(builder);
    expect(100, 1 << 20, COMPRESSED, 0x12345, K4 - 100);
    assertThat(out.descriptor()).isEqualTo(builder.compressedEntry(0x12345, 700) & ~(1L << 62));
    expect(K4, 1 << 20, COMPRESSED, 0x12345, K4);
  }

  @Test
  void compressedEntriesHaveNoPlaceWithAnExternalDataFile() throws Exception {
    Files.write(folder.resolve("ext"), new byte[8192]);
    ImageBuilder builder = ImageBuilder.v3(12, 8192).dataFile("ext");
    builder.l2(0, builder.compressedEntry(0x8000, 100));
    open(builder);
    expectDamage(
        0,
        8192,
        K4,
        l2Damage(
            builder.l2EntryOffset(0),
            0,
            "is a compressed cluster in an image with an external data file"));
  }

  // External data file

  @Test
  void offsetZeroOfADataFileIsAnAddressIfCopiedIsSet() throws Exception {
    Files.write(folder.resolve("ext"), new byte[1 << 16]);
    ImageBuilder builder = ImageBuilder.v3(12, 1 << 16).dataFile("ext");
    builder.l2(0, COPIED).l2(1, COPIED | K4).l2(2, COPIED | 2 * K4 | 1).l2(3, 1);
    open(builder);
    expect(10, 1 << 16, DATA, 10, 2 * K4 - 10);
    assertThat(out.dataFile().path()).isEqualTo(folder.resolve("ext").toString());
    expect(2 * K4, 1 << 16, ZERO, 2 * K4, K4);
    expect(3 * K4, 1 << 16, ZERO, -1, K4);
    expect(4 * K4, 1 << 16, UNALLOCATED, -1, 12 * K4);
  }

  @Test
  void offsetZeroOfADataFileWithoutCopiedIsUnallocated() throws Exception {
    Files.write(folder.resolve("ext"), new byte[1 << 16]);
    ImageBuilder builder = ImageBuilder.v3(12, 1 << 16).dataFile("ext").l2(1, COPIED | K4);
    open(builder);
    expect(0, 1 << 16, UNALLOCATED, -1, K4);
    expect(K4, 1 << 16, DATA, K4, K4);
  }

  @Test
  void aDataFileOffsetOtherThanTheGuestOffsetIsDamage() throws Exception {
    Files.write(folder.resolve("ext"), new byte[1 << 16]);
    ImageBuilder builder = ImageBuilder.v3(12, 1 << 16).dataFile("ext");
    builder.l2(0, COPIED).l2(1, COPIED | 5 * K4);
    open(builder);
    expect(0, 1 << 16, DATA, 0, K4);
    expectDamage(
        K4 + 4,
        1 << 16,
        K4 - 4,
        l2Damage(
            builder.l2EntryOffset(1),
            K4 + 4,
            "names offset 0x5000 of the external data file, expected the guest offset 0x1000"));
  }

  // L1 entries

  private static String l1Damage(ImageBuilder builder, long index, long guest, String wrong) {
    return String.format(
        "L1 entry %d at host offset 0x%x (guest offset 0x%x) %s",
        index, builder.l1Offset() + index * 8, guest, wrong);
  }

  @Test
  void aBadL1EntrySpoilsItsOwnRangeOnly() throws ImageException {
    long perTable = 2 << 20;
    ImageBuilder builder = ImageBuilder.v3(12, 8 * perTable);
    long host = builder.data(7 * 512, 7);
    builder
        .l1(0, 1L << 60)
        .l1(1, COPIED)
        .l1(2, 0x200)
        .l1(3, 3 * K4)
        .l1(4, K4 | COPIED)
        .l1(5, 1L << 40);
    open(builder);
    expectDamage(
        5,
        8 * perTable,
        perTable - 5,
        l1Damage(builder, 0, 5, "is 0x1000000000000000, with reserved bits set"));
    expectDamage(
        perTable,
        perTable * 4,
        perTable,
        l1Damage(builder, 1, perTable, "names an L2 table at 0x0, the header"));
    expectDamage(
        2 * perTable,
        1,
        1,
        l1Damage(
            builder, 2, 2 * perTable, "names an L2 table at 0x200, not on a cluster boundary"));
    expectDamage(
        3 * perTable,
        perTable,
        perTable,
        l1Damage(builder, 3, 3 * perTable, "names an L2 table at 0x3000, which is other metadata"));
    expectDamage(
        4 * perTable,
        perTable,
        perTable,
        l1Damage(builder, 4, 4 * perTable, "names an L2 table at 0x1000, which is other metadata"));
    expectDamage(
        5 * perTable,
        perTable,
        K4,
        l2Damage(1L << 40, 5 * perTable, "is past the end of the file"));
    expect(6 * perTable, 2 * perTable, UNALLOCATED, -1, perTable);
    expect(7 * perTable, perTable, DATA, host, K4);
  }

  @Test
  void anL1TableThatTheFileEndsInSpoilsWhatIsMissing() throws ImageException {
    long perTable = 2 << 20;
    ImageBuilder builder = ImageBuilder.v3(12, 8 * perTable);
    open(builder, builder.l1Offset() + 16);
    expect(0, 8 * perTable, UNALLOCATED, -1, 2 * perTable);
    expectDamage(
        2 * perTable,
        8 * perTable,
        perTable,
        l1Damage(builder, 2, 2 * perTable, "is past the end of the file"));
  }

  // Geometry

  @ParameterizedTest
  @ValueSource(ints = {9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21})
  void mapsTheEdgesOfClustersSlicesAndTablesForEveryClusterSize(int bits) throws ImageException {
    long cluster = 1L << bits;
    long perTable = cluster / 8; // clusters
    long slice = Math.min(4096, cluster) / 8;
    long odd = 2 * perTable * cluster + 3 * cluster + 77;
    ImageBuilder builder = ImageBuilder.v3(bits, odd);
    long first = builder.data(slice - 1, 1);
    builder.l2(slice % perTable == 0 ? 1 : slice, 1);
    long last = builder.data(2 * perTable + 3, 2);
    long beforeLast = builder.data(perTable - 1, 3);
    open(builder, builder.end() - cluster + 100);
    expect(
        (slice - 1) * cluster + 9,
        odd,
        DATA,
        slice == perTable ? beforeLast + 9 : first + 9,
        cluster - 9);
    expect((2 * perTable + 3) * cluster, odd, DATA, last, 77);
    expect((2 * perTable + 3) * cluster + 76, odd, DATA, last + 76, 1);
    expect((perTable - 1) * cluster, odd, DATA, beforeLast, cluster);
    expect(perTable * cluster, odd, UNALLOCATED, -1, perTable * cluster);
  }

  @Test
  void joinsNothingAcrossTheEndOfASlice() throws ImageException {
    ImageBuilder builder = ImageBuilder.v3(16, 1 << 30);
    builder.l2EntryOffset(0);
    open(builder);
    // 512 entries of 64 KiB: one answer costs one metadata read.
    expect(0, 1 << 30, UNALLOCATED, -1, 512 << 16);
    expect(512 << 16, 1 << 30, UNALLOCATED, -1, 512 << 16);
  }

  @Test
  void walksAnExbibyteQuickly() throws ImageException {
    long exbibyte = 1L << 60;
    ImageBuilder builder = ImageBuilder.v3(21, exbibyte);
    long far = (exbibyte >>> 21) - 1;
    long host = builder.data(far, 0x5a);
    open(builder);
    var threads = ManagementFactory.getThreadMXBean();
    long start = threads.getCurrentThreadCpuTime();
    assertThat(image().nextData(0)).isEqualTo(far << 21);
    assertThat(image().nextHole(far << 21)).isEqualTo(exbibyte);
    assertThat(image().nextHole(12345)).isEqualTo(12345);
    expect(exbibyte - 1, 1, DATA, host + (2 << 20) - 1, 1);
    assertThat(threads.getCurrentThreadCpuTime() - start)
        .as("ns of CPU time")
        .isLessThan(20_000_000_000L);
  }
}
