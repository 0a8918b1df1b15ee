package org.qcowfs.engine.chain;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.model.BackingPolicy;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.testing.ImageBuilder;

final class ChainOpenerTest {
  private static final long DISK = 1 << 20;

  @TempDir Path folder;
  private final List<String> warnings = new ArrayList<>();
  private final OpenOptions options = OpenOptions.readOnly().withWarnings(warnings::add);

  private Path overlay(String name, String backing, String format) {
    return ImageBuilder.v3(12, DISK).backing(backing, format).write(folder.resolve(name));
  }

  private void refuses(Path top, ErrorKind kind, String message) throws IOException {
    refuses(top, options, kind, message);
  }

  private void refuses(Path top, OpenOptions how, ErrorKind kind, String message)
      throws IOException {
    assertThatThrownBy(() -> Images.open(top.toString(), how))
        .isInstanceOfSatisfying(ImageException.class, e -> assertThat(e.kind()).isEqualTo(kind))
        .hasMessage(message);
    assertThat(openFiles()).as("files left open").isZero();
  }

  /** This process's descriptors of files in the test's folder. */
  private long openFiles() throws IOException {
    Path real = folder.toRealPath();
    try (Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"))) {
      return descriptors
          .filter(
              fd -> {
                try {
                  return Files.readSymbolicLink(fd).startsWith(real);
                } catch (IOException e) {
                  return false; // closed meanwhile
                }
              })
          .count();
    }
  }

  @Test
  void opensAChainAndClosesItAll() throws IOException {
    Files.write(folder.resolve("base"), new byte[1 << 20]);
    overlay("mid", "base", "raw");
    Path top = overlay("top", "mid", "qcow2");
    try (Image image = Images.open(top.toString(), options)) {
      assertThat(image.depth()).isEqualTo(3);
      assertThat(image.path(2)).isEqualTo(folder.resolve("base").toString());
      assertThat(image.info(2).format()).isEqualTo("raw");
      assertThat(openFiles()).isEqualTo(3);
    }
    assertThat(openFiles()).isZero();
    assertThat(warnings).isEmpty();
  }

  @Test
  void aFileThatBacksItselfIsRefused() throws IOException {
    Path top = overlay("top", "top", "qcow2");
    refuses(top, ErrorKind.REFUSED, top + ": Backing file '" + top + "' creates an infinite loop.");
  }

  @Test
  void aLoopThroughALinkIsRefused() throws IOException {
    Path top = overlay("top", "mid", "qcow2");
    overlay("mid", "link", "qcow2");
    Path link = Files.createLink(folder.resolve("link"), top);
    refuses(
        top, ErrorKind.REFUSED, link + ": Backing file '" + link + "' creates an infinite loop.");
  }

  @Test
  void aChainOf256LayersOpensAndOneOf257IsRefused() throws IOException {
    Files.write(folder.resolve("0"), new byte[512]);
    overlay("1", "0", "raw");
    for (int i = 2; i <= 256; i++) {
      overlay("" + i, "" + (i - 1), "qcow2");
    }
    try (Image image = Images.open(folder.resolve("255").toString(), options)) {
      assertThat(image.depth()).isEqualTo(256);
    }
    Path top = folder.resolve("256");
    refuses(top, ErrorKind.REFUSED, top + ": backing chain has more than 256 layers");
  }

  @Test
  void aMissingBackingFileIsNamed() throws IOException {
    Path top = overlay("top", "gone\n", "raw");
    refuses(
        top,
        ErrorKind.IO,
        folder
            + "/gone\\x0a: Could not open backing file: Could not open '"
            + folder
            + "/gone\\x0a': No such file or directory");
  }

  @Test
  void aBackingFileWithoutARecordedFormatIsProbedWithAWarning() throws IOException {
    ImageBuilder.v3(12, DISK).write(folder.resolve("base"));
    Path top = overlay("top", "base", "");
    try (Image image = Images.open(top.toString(), options)) {
      assertThat(image.info(1).format()).isEqualTo("qcow2");
    }
    assertThat(warnings)
        .containsExactly(
            folder
                + "/base: no backing format is recorded for this backing file; probing it, which a"
                + " guest that writes a raw disk can mislead");
  }

  @Test
  void aRecordedFormatIsNeverProbedOver() throws IOException {
    ImageBuilder.v3(12, DISK).write(folder.resolve("base"));
    Path top = overlay("top", "base", "raw");
    try (Image image = Images.open(top.toString(), options)) {
      assertThat(image.info(1).format()).isEqualTo("raw");
      assertThat(image.depth()).isEqualTo(2);
    }
    Files.write(folder.resolve("plain"), new byte[512]);
    Path other = overlay("other", "plain", "qcow2");
    refuses(
        other,
        ErrorKind.NOT_THIS_FORMAT,
        folder + "/plain: Could not open backing file: Image is not in qcow2 format");
  }

  @Test
  void formatsThatAreNotSupportedAreNamed() throws IOException {
    Path base = Files.writeString(folder.resolve("base"), "KDMV" + "x".repeat(600));
    refuses(
        base,
        ErrorKind.UNSUPPORTED,
        base
            + ": Image is in vmdk format, which is not supported (name the format raw to read the"
            + " file as it is)");
    Path top = overlay("top", "base", "vm\u001bdk");
    refuses(
        top,
        ErrorKind.UNSUPPORTED,
        base + ": Could not open backing file: Unknown driver 'vm\\x1bdk'; expected qcow2 or raw");
  }

  @Test
  void aDataFileThatIsTheImageItselfIsRefused() throws IOException {
    Path top = ImageBuilder.v3(12, DISK).dataFile("top").write(folder.resolve("top"));
    refuses(top, ErrorKind.REFUSED, top + ": Data file '" + top + "' creates an infinite loop.");
  }

  @Test
  void aDataFileWithoutANameIsRefused() throws IOException {
    Path top = ImageBuilder.v3(12, DISK).incompatible(4).write(folder.resolve("top"));
    refuses(
        top,
        ErrorKind.CORRUPT,
        top
            + ": 'data-file' is required for this image (incompatible feature bit 2 is set, and the"
            + " header extension that names the data file is missing)");
  }

  @Test
  void thePolicyHoldsForDataFilesToo() throws IOException {
    Path top = ImageBuilder.v3(12, DISK).dataFile("json:{}").write(folder.resolve("top"));
    refuses(
        top,
        ErrorKind.REFUSED,
        top
            + ": data file 'json:{}' is not opened: protocol and json: names are refused, expected"
            + " the path of a file");
    refuses(
        top,
        options.withBackingPolicy(BackingPolicy.DENY),
        ErrorKind.REFUSED,
        top + ": data file 'json:{}' is not opened: the policy for implicit opens is deny");
  }

  @Test
  void encryptedImagesAreDescribedButNotRead() throws IOException {
    Path luks = ImageBuilder.v3(12, DISK).putInt(32, 2).write(folder.resolve("luks"));
    refuses(
        luks,
        ErrorKind.UNSUPPORTED,
        luks
            + ": Image is encrypted with LUKS (header, crypt_method at 0x20 is 2); reading"
            + " encrypted images is not supported");
    try (Image image = Images.open(luks.toString(), options.forDescription())) {
      assertThat(image.info().encrypted()).isTrue();
    }
  }

  @Test
  void describingOpensNothingButTheImage() throws IOException {
    Path top =
        ImageBuilder.v3(12, DISK)
            .dataFile("missing-data")
            .backing("missing-base", "raw")
            .write(folder.resolve("top"));
    try (Image image = Images.open(top.toString(), options.forDescription())) {
      assertThat(openFiles()).isEqualTo(1);
      assertThat(image.info().backingName()).isEqualTo("missing-base");
      var qcow2 = image.info().qcow2();
      assertThat(qcow2 == null ? null : qcow2.dataFile()).isEqualTo("missing-data");
    }
  }

  @Test
  void filesThatAreNoImageAtAllAreRefused() throws IOException {
    Path tiny =
        Files.write(folder.resolve("tiny"), "QFI\u00fb".getBytes(StandardCharsets.ISO_8859_1));
    refuses(
        tiny,
        ErrorKind.CORRUPT,
        tiny + ": qcow2 header too short (the file is 4 bytes; expected at least 72)");
    byte[] cut = java.util.Arrays.copyOf(ImageBuilder.golden("v3"), 103);
    Path short3 = Files.write(folder.resolve("short3"), cut);
    refuses(
        short3,
        ErrorKind.CORRUPT,
        short3 + ": qcow2 header too short (the file is 103 bytes; expected at least 104)");
    Path raw = Files.writeString(folder.resolve("raw"), "just text");
    refuses(
        raw,
        options.withFormat("qcow2"),
        ErrorKind.NOT_THIS_FORMAT,
        raw + ": Image is not in qcow2 format");
  }

  @Test
  void corruptImagesAreNeverOpenedForWriting() throws IOException {
    Path top = ImageBuilder.v3(12, DISK).incompatible(2).write(folder.resolve("top"));
    refuses(
        top,
        options.withWritable(true),
        ErrorKind.CORRUPT,
        top + ": qcow2: Image is corrupt; cannot be opened read/write");
    Images.open(top.toString(), options).close();
  }
}
