package org.qcowfs.engine.qcow2.bitmap;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.PosixHostFile;
import org.qcowfs.engine.model.Qcow2Info.BitmapInfo;
import org.qcowfs.engine.qcow2.Qcow2Opener;
import org.qcowfs.engine.qcow2.format.HeaderExtension;
import org.qcowfs.engine.testing.ImageBuilder;

final class BitmapDirectoryTest {
  @TempDir Path folder;
  private final ImageBuilder builder = ImageBuilder.v3(12, 1 << 20);
  private final long directory = builder.append(0);
  private long at = directory;

  private long entry(String name, int flags, int granularityBits, int extra) {
    long start = at;
    byte[] text = name.getBytes(StandardCharsets.UTF_8);
    builder
        .putInt(start + 12, flags)
        .putByte(start + 16, 1)
        .putByte(start + 17, granularityBits)
        .putShort(start + 18, text.length)
        .putInt(start + 20, extra)
        .put(start + 24, new byte[extra])
        .put(start + 24 + extra, text);
    at = start + 24 + extra + text.length + 7 & ~7L;
    return start;
  }

  private static byte[] extension(int count, long bytes, long offset) {
    return ByteBuffer.allocate(24).putInt(count).putInt(0).putLong(bytes).putLong(offset).array();
  }

  private BitmapDirectory read(byte[] extension) throws ImageException {
    builder.extension(HeaderExtension.BITMAPS, extension).padTo(at);
    return readFile(builder.write(folder.resolve("disk.qcow2")));
  }

  private static BitmapDirectory readFile(Path path) throws ImageException {
    try (PosixHostFile file = PosixHostFile.open(path.toString(), false)) {
      return BitmapDirectory.read(file, Qcow2Opener.readHeader(file));
    }
  }

  private void faults(byte[] extension, String fault) throws ImageException {
    BitmapDirectory read = read(extension);
    assertThat(read.fault()).isEqualTo(fault);
    assertThat(read.bitmaps()).isEmpty();
  }

  @Test
  void readsWhatQemuWrote() throws Exception {
    Path path = Files.write(folder.resolve("disk.qcow2"), ImageBuilder.golden("bitmaps"));
    assertThat(readFile(path))
        .isEqualTo(
            new BitmapDirectory(
                java.util.List.of(
                    new BitmapInfo("nightly", 65536, false, true),
                    new BitmapInfo("hourly", 4096, false, false)),
                null));
  }

  @Test
  void readsFlagsExtraDataAndLongNames() throws ImageException {
    builder.putLong(88, 1); // autoclear: consistent
    entry("a".repeat(1023), 1, 9, 0);
    entry("b\n", 2, 31, 100);
    assertThat(read(extension(2, at - directory, directory)).bitmaps())
        .containsExactly(
            new BitmapInfo("a".repeat(1023), 512, true, false),
            new BitmapInfo("b\n", 1L << 31, false, true));
  }

  @Test
  void withoutTheAutoclearBitEveryBitmapIsInUse() throws ImageException {
    entry("a", 0, 16, 0);
    assertThat(read(extension(1, at - directory, directory)).bitmaps())
        .containsExactly(new BitmapInfo("a", 65536, true, false));
  }

  @Test
  void theBitWithoutTheExtensionMeansNoBitmaps() throws ImageException {
    builder.putLong(88, 1);
    BitmapDirectory read = readFile(builder.write(folder.resolve("disk.qcow2")));
    assertThat(read.bitmaps()).isEmpty();
    assertThat(read.fault()).isNull();
  }

  @Test
  void anExtensionOfAnotherLengthIsAFault() throws ImageException {
    faults(new byte[16], "bitmaps extension is 16 bytes, expected 24");
  }

  @Test
  void noBitmapsAtAllAreAFault() throws ImageException {
    faults(extension(0, 0, directory), "found bitmaps extension with zero bitmaps");
  }

  @Test
  void tooManyBitmapsAreAFault() throws ImageException {
    faults(
        extension(-1, 4096, directory),
        "bitmaps extension names 4294967295 bitmaps, expected at most 65535");
  }

  @Test
  void aDirectoryThatIsTooLargeIsAFault() throws ImageException {
    faults(
        extension(1, -1, directory),
        "bitmap directory is 18446744073709551615 bytes, expected at most 67107840");
  }

  @Test
  void aDirectoryPastTheEndOfTheFileIsAFault() throws ImageException {
    faults(
        extension(1, 4096, Long.MAX_VALUE),
        "bitmap directory at host offset 0x7fffffffffffffff (4096 bytes) reaches past the end of"
            + " the file");
  }

  @Test
  void aDirectoryAtANegativeOffsetIsAFault() throws ImageException {
    faults(
        extension(1, 4096, -4096),
        "bitmap directory at host offset 0xfffffffffffff000 (4096 bytes) reaches past the end of"
            + " the file");
  }

  @Test
  void anEntryThatRunsOutOfTheDirectoryIsAFault() throws ImageException {
    long start = entry("a", 0, 16, 0);
    builder.putInt(start + 20, -1);
    faults(
        extension(1, at - directory, directory),
        "bitmap directory entry 0 reaches past the directory's end");
  }

  @Test
  void moreBitmapsThanTheDirectoryHoldsAreAFault() throws ImageException {
    entry("a", 0, 16, 0);
    BitmapDirectory read = read(extension(2, at - directory, directory));
    assertThat(read.bitmaps()).hasSize(1);
    assertThat(read.fault()).isEqualTo("bitmap directory entry 1 reaches past the directory's end");
  }

  @Test
  void anOddGranularityIsAFault() throws ImageException {
    entry("a", 0, 32, 0);
    faults(
        extension(1, at - directory, directory),
        "bitmap directory entry 0 has granularity 2^32 and a name of 1 bytes, expected 2^9 to 2^31"
            + " and at most 1023");
  }

  @Test
  void anUnknownFlagIsAFault() throws ImageException {
    entry("a", 6, 16, 0);
    faults(
        extension(1, at - directory, directory),
        "bitmap directory entry 0 has flags 0x6, expected none but in use (0x1) and auto (0x2)");
  }

  @Test
  void aDirectoryFullOfLongNamesIsNotKeptWhole() throws ImageException {
    for (int i = 0; i < 9000; i++) {
      entry("n".repeat(1023), 0, 16, 0);
    }
    BitmapDirectory read = read(extension(9000, at - directory, directory));
    assertThat(read.bitmaps()).hasSize((8 << 20) / 1023);
    assertThat(read.fault())
        .isEqualTo("bitmap directory entry 8200 brings names to more than 8388608 bytes");
  }
}
