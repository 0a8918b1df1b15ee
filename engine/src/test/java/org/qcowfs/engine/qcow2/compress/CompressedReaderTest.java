package org.qcowfs.engine.qcow2.compress;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdCompressCtx;
import com.sun.management.ThreadMXBean;
import java.io.ByteArrayOutputStream;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.zip.Deflater;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.testing.ImageBuilder;

/** Compressed clusters, good and bad, read through an image of one. */
final class CompressedReaderTest {
  private static final int CLUSTER = 65536;

  @TempDir Path folder;

  private static byte[] sample(int length) {
    byte[] bytes = new byte[length];
    Random random = new Random(1);
    for (int i = 0; i < length; i++) {
      bytes[i] = (byte) (i % 7 == 0 ? random.nextInt(16) : i >> 8);
    }
    return bytes;
  }

  private static byte[] deflate(byte[] plain) {
    Deflater deflater = new Deflater(9, true);
    deflater.setInput(plain);
    deflater.finish();
    byte[] out = new byte[plain.length * 2 + 64];
    int length = deflater.deflate(out);
    deflater.end();
    return Arrays.copyOf(out, length);
  }

  private static byte[] join(byte[]... parts) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (byte[] part : parts) {
      out.writeBytes(part);
    }
    return out.toByteArray();
  }

  private static ImageBuilder image(boolean zstd) {
    ImageBuilder builder = ImageBuilder.v3(16, 2 * CLUSTER);
    return zstd ? builder.putByte(104, 1).incompatible(8) : builder;
  }

  private byte[] read(ImageBuilder builder, long fileLength) throws ImageException {
    Path path = builder.write(folder.resolve("disk.qcow2"), fileLength);
    try (Image disk = Images.open(path.toString(), OpenOptions.readOnly())) {
      DataBuffer buffer = DataBuffer.allocate(CLUSTER);
      disk.read(0, buffer, 0, CLUSTER);
      byte[] read = new byte[CLUSTER];
      buffer.bytes().get(0, read);
      // A second read from inside the cluster comes from what the thread kept.
      disk.read(1000, buffer, 5, 20);
      byte[] piece = new byte[20];
      buffer.bytes().get(5, piece);
      assertThat(piece).isEqualTo(Arrays.copyOfRange(read, 1000, 1020));
      return read;
    }
  }

  private byte[] read(boolean zstd, byte[] stream) throws ImageException {
    ImageBuilder builder = image(zstd);
    builder.l2EntryOffset(0);
    long at = builder.appendUnaligned(new byte[77]) + 77;
    builder.appendUnaligned(stream);
    builder.l2(0, builder.compressedEntry(at, stream.length));
    byte[] rest = new byte[2 * CLUSTER]; // another cluster's bytes, up to the end of the sector
    Arrays.fill(rest, (byte) 0xa5);
    builder.appendUnaligned(rest);
    return read(builder, builder.end());
  }

  private void rejects(boolean zstd, byte[] stream, String fault) {
    assertThatThrownBy(() -> read(zstd, stream))
        .isInstanceOfSatisfying(
            ImageException.class,
            e -> {
              assertThat(e.kind()).isEqualTo(ErrorKind.CORRUPT);
              assertThat(e.detail())
                  .isEqualTo(
                      "compressed cluster at host offset 0x5004d (guest offset 0x0): " + fault);
            });
  }

  @Test
  void readsDeflate() throws ImageException {
    assertThat(read(false, deflate(sample(CLUSTER)))).isEqualTo(sample(CLUSTER));
  }

  @Test
  void readsZstd() throws ImageException {
    assertThat(read(true, Zstd.compress(sample(CLUSTER), 3))).isEqualTo(sample(CLUSTER));
  }

  @Test
  void readsWhatQemuCompressed() throws Exception {
    for (String name : new String[] {"zlib", "zstd"}) {
      Path path = Files.write(folder.resolve(name), ImageBuilder.golden(name));
      try (Image disk = Images.open(path.toString(), OpenOptions.readOnly())) {
        byte[] expected = new byte[3 * 4096];
        Arrays.fill(expected, 0, 4096, (byte) 0x5a);
        Arrays.fill(expected, 8192, 12288, (byte) 0x5b);
        DataBuffer buffer = DataBuffer.allocate(expected.length);
        disk.read(0, buffer, 0, expected.length);
        byte[] read = new byte[expected.length];
        buffer.bytes().get(0, read);
        assertThat(read).as(name).isEqualTo(expected);
      }
    }
  }

  @Test
  void readsSeveralZstdFramesWithEmptyAndSkippableOnesBetween() throws ImageException {
    byte[] plain = sample(CLUSTER);
    byte[] skippable = {0x53, 0x2a, 0x4d, 0x18, 5, 0, 0, 0, 1, 2, 3, 4, 5};
    byte[] stream =
        join(
            skippable,
            Zstd.compress(Arrays.copyOf(plain, 30_000), 3),
            Zstd.compress(new byte[0], 3),
            skippable,
            Zstd.compress(Arrays.copyOfRange(plain, 30_000, CLUSTER), 3));
    assertThat(read(true, stream)).isEqualTo(plain);
  }

  @Test
  void readsZstdFramesWithoutSizeAndWithChecksum() throws ImageException {
    try (ZstdCompressCtx context = new ZstdCompressCtx()) {
      context.setContentSize(false).setChecksum(true).setLevel(1);
      assertThat(read(true, context.compress(sample(CLUSTER)))).isEqualTo(sample(CLUSTER));
    }
  }

  @Test
  void readsTheLastClusterWhoseSectorTheEndOfTheFileCuts() throws ImageException {
    for (boolean zstd : new boolean[] {false, true}) {
      byte[] stream = zstd ? Zstd.compress(sample(CLUSTER), 3) : deflate(sample(CLUSTER));
      ImageBuilder builder = image(zstd);
      builder.l2EntryOffset(0);
      long at = builder.appendUnaligned(stream);
      builder.l2(0, builder.compressedEntry(at, stream.length));
      assertThat(read(builder, at + stream.length)).isEqualTo(sample(CLUSTER));
    }
  }

  @Test
  void rejectsStreamsPastTheEndOfTheFile() {
    ImageBuilder builder = image(false);
    builder.l2(0, builder.compressedEntry(1 << 30, 100));
    assertThatThrownBy(() -> read(builder, builder.end()))
        .hasMessageEndingWith(
            "compressed cluster at host offset 0x40000000 (guest offset 0x0): is past the end of"
                + " the file");
  }

  @Test
  void takesTheFirstClusterOfALongerDeflateStream() throws ImageException {
    // QEMU: what follows a full cluster is not looked at.
    assertThat(read(false, deflate(sample(CLUSTER + 1000))))
        .isEqualTo(Arrays.copyOf(sample(CLUSTER + 1000), CLUSTER));
  }

  @Test
  void rejectsZstdStreamsThatHoldMoreThanACluster() {
    rejects(
        true,
        Zstd.compress(sample(CLUSTER + 1), 3),
        "zstd frame holds more than a cluster of 65536 bytes");
  }

  @Test
  void rejectsShortDeflateStreams() {
    rejects(
        false,
        deflate(sample(CLUSTER - 1)),
        "deflate stream ends after 65535 bytes, expected 65536");
    rejects(false, deflate(new byte[0]), "deflate stream ends after 0 bytes, expected 65536");
  }

  @Test
  void rejectsShortZstdStreams() {
    rejects(
        true,
        Zstd.compress(sample(CLUSTER - 1), 3),
        "zstd frame magic is 0xa5a5a5a5, expected 0xfd2fb528 after 65535 bytes, expected 65536");
  }

  @Test
  void rejectsZstdStreamsThatTheFileCuts() {
    byte[] stream = Zstd.compress(sample(CLUSTER), 3);
    for (int keep : new int[] {1, 5, 6, 9, 100, stream.length - 1}) {
      ImageBuilder builder = image(true);
      builder.l2EntryOffset(0);
      long at = builder.appendUnaligned(stream);
      builder.l2(0, builder.compressedEntry(at, stream.length));
      assertThatThrownBy(() -> read(builder, at + keep))
          .as("%d bytes", keep)
          .isInstanceOf(ImageException.class)
          .hasMessageContaining("zstd stream is cut short");
    }
  }

  @Test
  void rejectsGarbage() {
    byte[] garbage = new byte[2000];
    Arrays.fill(garbage, (byte) 0xff);
    rejects(false, garbage, "deflate stream is damaged (invalid block type)");
    rejects(
        true,
        garbage,
        "zstd frame magic is 0xffffffff, expected 0xfd2fb528 after 0 bytes, expected 65536");
    rejects(
        true,
        new byte[600],
        "zstd frame magic is 0x00000000, expected 0xfd2fb528 after 0 bytes, expected 65536");
  }

  @Test
  void rejectsWindowsLargerThanAnyClusterNeedsWithoutAllocatingThem() {
    // Not single-segment, window 2^24: exponent 14, mantissa 0.
    byte[] window = {0x28, (byte) 0xb5, 0x2f, (byte) 0xfd, 0, 14 << 3, 0, 0, 0};
    rejects(
        true,
        window,
        "zstd window is 16777216 bytes, expected at most 8388608 after 0 bytes, expected 65536");
    // Single segment with a content size of 2^63.
    byte[] single = new byte[20];
    System.arraycopy(
        new byte[] {0x28, (byte) 0xb5, 0x2f, (byte) 0xfd, (byte) 0xe0}, 0, single, 0, 5);
    single[12] = (byte) 0x80;
    rejects(
        true,
        single,
        "zstd window is 9223372036854775808 bytes, expected at most 8388608 after 0 bytes,"
            + " expected 65536");
  }

  @Test
  void rejectsDictionaries() {
    byte[] dictionary = {0x28, (byte) 0xb5, 0x2f, (byte) 0xfd, 0x21, 1, 1, 0, 0};
    rejects(
        true,
        dictionary,
        "zstd frame wants a dictionary, expected none after 0 bytes, expected 65536");
  }

  @Test
  void rejectsSkippableFramesLongerThanTheStream() {
    byte[] skippable = {0x50, 0x2a, 0x4d, 0x18, -1, -1, -1, -1, 1, 2, 3};
    rejects(true, skippable, "zstd stream is cut short after 0 bytes, expected 65536");
  }

  /** Whatever one bit does to a stream: the right bytes or an error, and never a crash. */
  @Test
  void aChangedBitGivesAnErrorOrAFullCluster() {
    for (boolean zstd : new boolean[] {false, true}) {
      byte[] sound = zstd ? Zstd.compress(sample(4096), 3) : deflate(sample(4096));
      Decompressor decompressor = zstd ? new ZstdDecompressor() : new DeflateDecompressor();
      DataBuffer src = DataBuffer.allocate(16384);
      DataBuffer dst = DataBuffer.allocate(4096 + 64);
      for (int bit = 0; bit < sound.length * 8; bit += zstd ? 3 : 7) {
        byte[] changed = sound.clone();
        changed[bit / 8] ^= (byte) (1 << bit % 8);
        src.bytes().put(0, changed);
        dst.bytes().putLong(4096, 0x0123456789abcdefL);
        String fault = decompressor.decompress(src, changed.length, dst, 4096);
        assertThat(dst.bytes().getLong(4096)).isEqualTo(0x0123456789abcdefL);
        if (fault != null) {
          assertThat(fault).doesNotContain("\n");
        }
      }
      src.bytes().put(0, sound);
      assertThat(decompressor.decompress(src, sound.length, dst, 4096)).isNull();
      byte[] plain = new byte[4096];
      dst.bytes().get(0, plain);
      assertThat(plain).isEqualTo(sample(4096));
    }
  }

  @Test
  void aFailedClusterIsNotServedFromWhatTheThreadKept() throws ImageException {
    byte[] stream = deflate(sample(CLUSTER));
    ImageBuilder builder = image(false);
    builder.l2EntryOffset(0);
    long good = builder.appendUnaligned(stream);
    byte[] tooShort = deflate(new byte[CLUSTER - 1]); // overwrites what was kept, then ends
    long bad = builder.appendUnaligned(tooShort);
    builder.appendUnaligned(new byte[1024]);
    builder.l2(0, builder.compressedEntry(good, stream.length));
    builder.l2(1, builder.compressedEntry(bad, tooShort.length));
    Path path = builder.write(folder.resolve("disk.qcow2"));
    try (Image disk = Images.open(path.toString(), OpenOptions.readOnly())) {
      DataBuffer buffer = DataBuffer.allocate(CLUSTER);
      for (int round = 0; round < 3; round++) {
        disk.read(0, buffer, 0, CLUSTER);
        assertThat(buffer.bytes().get(65000)).isEqualTo(sample(CLUSTER)[65000]);
        assertThatThrownBy(() -> disk.read(CLUSTER + 10, buffer, 0, 10))
            .isInstanceOf(ImageException.class)
            .hasMessageContaining("guest offset 0x10000");
      }
    }
  }

  @Test
  void decompressingAllocatesNothingOnTheHeap() throws ImageException {
    for (boolean zstd : new boolean[] {false, true}) {
      byte[] stream = zstd ? Zstd.compress(sample(CLUSTER), 3) : deflate(sample(CLUSTER));
      ImageBuilder builder = image(zstd);
      builder.l2EntryOffset(0);
      builder.l2(0, builder.compressedEntry(builder.appendUnaligned(stream), stream.length));
      long again = builder.appendUnaligned(stream);
      builder.l2(1, builder.compressedEntry(again, stream.length));
      Path path = builder.write(folder.resolve("disk.qcow2"), builder.end() + 1024);
      ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
      try (Image disk = Images.open(path.toString(), OpenOptions.readOnly())) {
        DataBuffer buffer = DataBuffer.allocate(2 * CLUSTER);
        long allocated = Long.MAX_VALUE;
        for (int round = 0; round < 20 && allocated > 0; round++) {
          long before = threads.getCurrentThreadAllocatedBytes();
          for (int i = 0; i < 100; i++) {
            disk.read(0, buffer, 0, 2 * CLUSTER);
          }
          allocated = threads.getCurrentThreadAllocatedBytes() - before;
        }
        assertThat(allocated).as(zstd ? "zstd" : "deflate").isZero();
      }
    }
  }
}
