package org.qcowfs.engine.qcow2.format;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.testing.ImageBuilder;

/** One test per rule: a sound header with one thing wrong, and the message it must give. */
final class HeaderValidatorTest {
  private static final int CLUSTER_BITS = 12;
  private static final long DISK = 1 << 20;

  private static Header judge(ImageBuilder image) throws ImageException {
    byte[] bytes = image.bytes();
    Header header = HeaderCodec.decode(ByteBuffer.wrap(bytes));
    HeaderValidator.validate("disk.qcow2", bytes.length, header);
    return header;
  }

  private static void accepts(ImageBuilder image) throws ImageException {
    assertThat(judge(image)).isNotNull();
  }

  private static void rejects(ErrorKind kind, String message, Consumer<ImageBuilder> damage) {
    rejects(kind, message, ImageBuilder.v3(CLUSTER_BITS, DISK), damage);
  }

  private static void rejects(
      ErrorKind kind, String message, ImageBuilder image, Consumer<ImageBuilder> damage) {
    damage.accept(image);
    assertThatThrownBy(() -> judge(image))
        .isInstanceOfSatisfying(ImageException.class, e -> assertThat(e.kind()).isEqualTo(kind))
        .hasMessage("disk.qcow2: " + message);
  }

  @ParameterizedTest
  @ValueSource(ints = {9, 10, 12, 14, 16, 20, 21})
  void acceptsASoundHeaderOfEveryClusterSize(int bits) throws ImageException {
    accepts(ImageBuilder.v3(bits, DISK + 512));
    accepts(ImageBuilder.v2(bits, DISK + 512));
  }

  @ParameterizedTest
  @ValueSource(longs = {0, 1, 511, 513, DISK - 1})
  void acceptsVirtualSizesThatAreNoMultipleOfASector(long size) throws ImageException {
    accepts(ImageBuilder.v3(CLUSTER_BITS, size));
  }

  @Test
  void rejectsVersionsOtherThanTwoAndThree() {
    rejects(
        ErrorKind.UNSUPPORTED,
        "Unsupported qcow2 version 4 (header, version at 0x4; expected 2 or 3)",
        image -> image.putInt(4, 4));
    rejects(
        ErrorKind.UNSUPPORTED,
        "Unsupported qcow2 version 1 (header, version at 0x4; expected 2 or 3)",
        image -> image.putInt(4, 1));
    rejects(
        ErrorKind.UNSUPPORTED,
        "Unsupported qcow2 version 4294967295 (header, version at 0x4; expected 2 or 3)",
        image -> image.putInt(4, -1));
  }

  @Test
  void rejectsClusterSizesOutsideTheLimits() {
    for (long bits : new long[] {0, 8, 22, 63, 4294967295L}) {
      rejects(
          ErrorKind.CORRUPT,
          "Unsupported cluster size: 2^"
              + bits
              + " (header, cluster_bits at 0x14; expected 9 to 21)",
          image -> image.putInt(20, (int) bits));
    }
  }

  @Test
  void rejectsHeaderThatIsTooShort() {
    rejects(
        ErrorKind.CORRUPT,
        "qcow2 header too short (header_length at 0x64 is 100; expected at least 104)",
        image -> image.putInt(100, 100));
    rejects(
        ErrorKind.CORRUPT,
        "qcow2 header too short (header_length at 0x64 is 0; expected at least 104)",
        image -> image.putInt(100, 0));
  }

  @Test
  void rejectsHeaderLongerThanItsCluster() {
    rejects(
        ErrorKind.CORRUPT,
        "qcow2 header exceeds cluster size (header_length at 0x64 is 4104; expected at most 4096)",
        image -> image.putInt(100, 4104));
    rejects(
        ErrorKind.CORRUPT,
        "qcow2 header exceeds cluster size (header_length at 0x64 is 4294967295; expected at most"
            + " 4096)",
        image -> image.putInt(100, -1));
  }

  @Test
  void rejectsHeaderLengthThatIsNoMultipleOfEight() {
    rejects(
        ErrorKind.CORRUPT,
        "qcow2 header length invalid (header_length at 0x64 is 108; expected a multiple of 8)",
        image -> image.putInt(100, 108));
  }

  @Test
  void rejectsBackingNameThatOverlapsTheHeader() {
    rejects(
        ErrorKind.CORRUPT,
        "Invalid backing file offset (backing_file_offset at 0x8 is 0x68; expected 0x70 to 0x1000)",
        image -> image.backing("base", "").putLong(8, 104));
  }

  @Test
  void rejectsBackingNameOutsideTheFirstCluster() {
    rejects(
        ErrorKind.CORRUPT,
        "Invalid backing file offset (backing_file_offset at 0x8 is 0x1001; expected 0x70 to"
            + " 0x1000)",
        image -> image.backing("base", "").putLong(8, 4097));
    rejects(
        ErrorKind.CORRUPT,
        "Invalid backing file offset (backing_file_offset at 0x8 is 0xffffffffffffffff; expected"
            + " 0x70 to 0x1000)",
        image -> image.backing("base", "").putLong(8, -1));
  }

  @Test
  void rejectsBackingNameThatRunsOutOfTheFirstCluster() {
    rejects(
        ErrorKind.CORRUPT,
        "Backing file name too long (backing_file_size at 0x10 is 17; expected at most 16)",
        image -> image.backing("base", "").putLong(8, 4080).putInt(16, 17));
  }

  @Test
  void rejectsBackingNameLongerThan1023Bytes() {
    rejects(
        ErrorKind.CORRUPT,
        "Backing file name too long (backing_file_size at 0x10 is 1024; expected at most 1023)",
        image -> image.backing("b", "").putInt(16, 1024));
    rejects(
        ErrorKind.CORRUPT,
        "Backing file name too long (backing_file_size at 0x10 is 4294967295; expected at most"
            + " 1023)",
        image -> image.backing("b", "").putInt(16, -1));
  }

  @Test
  void rejectsBackingNameThatTheFileIsTooShortFor() {
    byte[] cut = Arrays.copyOf(ImageBuilder.v3(12, DISK).backing("base.raw", "").bytes(), 124);
    Header header = HeaderCodec.decode(ByteBuffer.wrap(cut));
    assertThatThrownBy(() -> HeaderValidator.validate("disk.qcow2", 124, header))
        .hasMessage(
            "disk.qcow2: Could not read backing file name (at host offset 0x78, past the end of the"
                + " file)");
  }

  @Test
  void ignoresBackingNameLengthWithoutAnOffset() throws ImageException {
    assertThat(judge(ImageBuilder.v3(CLUSTER_BITS, DISK).putInt(16, 1024)).backingName()).isNull();
  }

  @Test
  void acceptsBackingNameOf1023Bytes() throws ImageException {
    String name = "n".repeat(1023);
    assertThat(judge(ImageBuilder.v3(CLUSTER_BITS, DISK).backing(name, "raw")).backingName())
        .isEqualTo(name);
  }

  @Test
  void rejectsHeaderExtensionThatRunsOutOfTheFirstCluster() {
    rejects(
        ErrorKind.CORRUPT,
        "Header extension too large (type 0x12345678 at host offset 0x70 has length 2147483648,"
            + " expected at most 3976)",
        image -> image.extension(0x12345678, new byte[0]).putInt(116, 0x80000000));
  }

  @Test
  void rejectsHeaderExtensionThatOverlapsTheBackingName() {
    rejects(
        ErrorKind.CORRUPT,
        "Header extension too large (type 0x12345678 at host offset 0x70 has length 17, expected at"
            + " most 16)",
        image -> image.extension(0x12345678, new byte[8]).backing("base", "").putInt(116, 17));
  }

  @Test
  void rejectsMoreHeaderExtensionsThanAnyImageHas() {
    rejects(
        ErrorKind.CORRUPT,
        "Too many header extensions (at host offset 0x2070; expected at most 1024, of 65536 bytes"
            + " together)",
        ImageBuilder.v3(16, DISK),
        image -> {
          for (int i = 0; i < 1025; i++) {
            image.extension(0x77, new byte[0]);
          }
        });
    rejects(
        ErrorKind.CORRUPT,
        "Too many header extensions (at host offset 0x8078; expected at most 1024, of 65536 bytes"
            + " together)",
        ImageBuilder.v3(17, DISK),
        image -> image.extension(0x77, new byte[32768]).extension(0x78, new byte[32769]));
  }

  @Test
  void rejectsUnknownIncompatibleFeaturesByNumber() {
    rejects(
        ErrorKind.UNSUPPORTED,
        "Unsupported qcow2 feature(s): Unknown incompatible feature: 8000000000000020",
        image -> image.incompatible(1L << 63 | 1 << 5));
  }

  @Test
  void rejectsUnknownIncompatibleFeaturesByTheirNamesEscaped() {
    byte[] table = new byte[3 * 48];
    table[1] = 5;
    put(table, 2, "future \u001b[31mred\n\u202e");
    table[48] = 1; // a compatible feature of the same bit
    table[49] = 5;
    put(table, 50, "not this");
    table[97] = 6;
    Arrays.fill(table, 98, 144, (byte) 'x'); // no terminator
    rejects(
        ErrorKind.UNSUPPORTED,
        "Unsupported qcow2 feature(s): future \\x1b[31mred\\x0a\\u{202e}, "
            + "x".repeat(46)
            + ", Unknown incompatible feature: 80",
        image -> image.extension(HeaderExtension.FEATURE_NAMES, table).incompatible(7 << 5));
  }

  private static void put(byte[] table, int at, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    System.arraycopy(bytes, 0, table, at, bytes.length);
  }

  @Test
  void acceptsUnknownCompatibleAndAutoclearFeatures() throws ImageException {
    accepts(ImageBuilder.v3(CLUSTER_BITS, DISK).putLong(80, -1).putLong(88, -1));
  }

  @Test
  void acceptsImagesMarkedDirtyOrCorrupt() throws ImageException {
    accepts(ImageBuilder.v3(CLUSTER_BITS, DISK).incompatible(3));
  }

  @Test
  void rejectsExtendedL2WithClustersThatAreTooSmall() {
    rejects(
        ErrorKind.CORRUPT,
        "Extended L2 entries need clusters of at least 16 KiB (header, cluster_bits at 0x14 is 13)",
        ImageBuilder.extended(13, DISK),
        image -> {});
  }

  @Test
  void rejectsRefcountsWiderThan64Bits() {
    rejects(
        ErrorKind.CORRUPT,
        "Reference count entry width too large; may not exceed 64 bits (header, refcount_order at"
            + " 0x60 is 7; expected 0 to 6)",
        image -> image.putInt(96, 7));
    rejects(
        ErrorKind.CORRUPT,
        "Reference count entry width too large; may not exceed 64 bits (header, refcount_order at"
            + " 0x60 is 4294967295; expected 0 to 6)",
        image -> image.putInt(96, -1));
  }

  @Test
  void rejectsUnknownEncryptionMethods() {
    rejects(
        ErrorKind.UNSUPPORTED,
        "Unsupported encryption method 3 (header, crypt_method at 0x20; expected 0 to 2)",
        image -> image.putInt(32, 3));
    rejects(
        ErrorKind.UNSUPPORTED,
        "Unsupported encryption method 4294967295 (header, crypt_method at 0x20; expected 0 to 2)",
        image -> image.putInt(32, -1));
  }

  @Test
  void rejectsUnknownCompressionTypes() {
    rejects(
        ErrorKind.UNSUPPORTED,
        "qcow2: unknown compression type: 255 (header, at 0x68; expected 0 or 1)",
        image -> image.putByte(104, 255).incompatible(8));
  }

  @Test
  void rejectsCompressionTypeBitForZlib() {
    rejects(
        ErrorKind.CORRUPT,
        "qcow2: Compression type incompatible feature bit must not be set (type at 0x68 is 0, zlib)",
        image -> image.incompatible(8));
  }

  @Test
  void rejectsZstdWithoutItsFeatureBit() {
    rejects(
        ErrorKind.CORRUPT,
        "qcow2: Compression type incompatible feature bit must be set (type at 0x68 is 1)",
        image -> image.putByte(104, 1));
  }

  @Test
  void rejectsImageWithoutRefcountTable() {
    rejects(
        ErrorKind.CORRUPT,
        "Image does not contain a reference count table (header, refcount_table_clusters at 0x38 is"
            + " 0)",
        image -> image.putInt(56, 0));
  }

  @Test
  void rejectsRefcountTableThatIsTooLarge() {
    for (long clusters : new long[] {2049, 4294967295L}) {
      rejects(
          ErrorKind.CORRUPT,
          "Reference count table too large (header, refcount_table_clusters at 0x38 is "
              + clusters
              + "; expected at most 2048)",
          image -> image.putInt(56, (int) clusters));
    }
  }

  @Test
  void rejectsRefcountTableOffTheClusterBoundary() {
    rejects(
        ErrorKind.CORRUPT,
        "Reference count table offset invalid (header, refcount_table_offset at 0x30 is 0x1200,"
            + " expected a multiple of the cluster size 4096)",
        image -> image.putLong(48, 0x1200));
  }

  @Test
  void rejectsRefcountTableOverTheHeader() {
    rejects(
        ErrorKind.CORRUPT,
        "Reference count table offset invalid (header, refcount_table_offset at 0x30 is 0x0, which"
            + " overlaps the header)",
        image -> image.putLong(48, 0));
  }

  @Test
  void rejectsRefcountTablePastTheEndOfTheFile() {
    for (long at : new long[] {0x4000, 0x7ffffffffffff000L, 0x8000000000000000L, -4096}) {
      rejects(
          ErrorKind.CORRUPT,
          String.format(
              "Reference count table offset invalid (header, refcount_table_offset at 0x30 is 0x%x,"
                  + " past the end of the file (16384 bytes))",
              at),
          image -> image.putLong(48, at));
    }
  }

  @Test
  void rejectsVirtualSizesThatOverflow() {
    rejects(
        ErrorKind.CORRUPT,
        "Image is too big (header, size at 0x18 is 9223372036854775808)",
        image -> image.putLong(24, Long.MIN_VALUE));
    rejects(
        ErrorKind.CORRUPT,
        "Image is too big (header, size at 0x18 is 18446744073709551615)",
        image -> image.putLong(24, -1));
    rejects(
        ErrorKind.CORRUPT,
        "Image is too big (header, size at 0x18 is 9223372036854775807)",
        image -> image.putLong(24, Long.MAX_VALUE));
  }

  @Test
  void rejectsL1TableThatIsTooLarge() {
    for (long entries : new long[] {4194305, 4294967295L}) {
      rejects(
          ErrorKind.CORRUPT,
          "Active L1 table too large (header, l1_size at 0x24 is "
              + entries
              + "; expected at most 4194304)",
          image -> image.putInt(36, (int) entries));
    }
  }

  @Test
  void rejectsL1TableThatIsTooSmallForTheDisk() {
    rejects(
        ErrorKind.CORRUPT,
        "L1 table is too small (header, l1_size at 0x24 is 1; a disk of 2097153 bytes needs 2)",
        image -> image.putLong(24, (2 << 20) + 1));
    rejects(
        ErrorKind.CORRUPT,
        "Image is too big",
        image -> image.putLong(24, Long.MAX_VALUE - (2 << 20)));
  }

  @Test
  void rejectsL1TableOffTheClusterBoundary() {
    rejects(
        ErrorKind.CORRUPT,
        "Active L1 table offset invalid (header, l1_table_offset at 0x28 is 0x3008, expected a"
            + " multiple of the cluster size 4096)",
        image -> image.putLong(40, 0x3008));
  }

  @Test
  void rejectsL1TableOverTheHeader() {
    rejects(
        ErrorKind.CORRUPT,
        "Active L1 table offset invalid (header, l1_table_offset at 0x28 is 0x0, which overlaps the"
            + " header)",
        image -> image.putLong(40, 0));
  }

  @Test
  void rejectsL1TableOverTheRefcountTable() {
    rejects(
        ErrorKind.CORRUPT,
        "Active L1 table offset invalid (header, l1_table_offset at 0x28 is 0x1000, which overlaps"
            + " the refcount table at 0x1000)",
        image -> image.putLong(40, 0x1000));
  }

  @Test
  void rejectsL1TablePastTheEndOfTheFile() {
    for (long at : new long[] {0x4000, 0x7ffffffffffff000L, 0x8000000000000000L}) {
      rejects(
          ErrorKind.CORRUPT,
          String.format(
              "Active L1 table offset invalid (header, l1_table_offset at 0x28 is 0x%x, past the"
                  + " end of the file (16384 bytes))",
              at),
          image -> image.putLong(40, at));
    }
  }

  @Test
  void ignoresTheL1OffsetOfAnEmptyTable() throws ImageException {
    accepts(ImageBuilder.v3(CLUSTER_BITS, 0).putLong(40, -1));
  }
}
