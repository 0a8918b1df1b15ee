package org.qcowfs.it.damaged;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.model.BackingPolicy;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.it.corpus.Patcher;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/**
 * What an image may have opened besides itself: R15 loops, R16 names, R17 formats, R18 data files.
 */
class ImplicitOpenIT {
  private static final long BACKING_FORMAT = 0xe2792acaL;

  private final TempImages scratch = TempImages.create("implicit");
  private final List<String> warnings = new ArrayList<>();

  @AfterEach
  void clean() {
    scratch.close();
  }

  /** An image of 1 MiB that names {@code backing}, which need not exist. */
  private Path overlay(String name, String backing, String format) {
    Path image = scratch.path(name);
    QemuImg.run(
        "create", "-q", "-u", "-f", "qcow2", "-b", backing, "-F", format, image.toString(), "1M");
    return image;
  }

  private Image open(Path image) throws ImageException {
    return Images.open(image.toString(), OpenOptions.readOnly().withWarnings(warnings::add));
  }

  private void assertRefused(Path image, ErrorKind kind, String message) {
    assertTimeoutPreemptively(
        Run.PATIENCE,
        () ->
            assertThatThrownBy(() -> open(image).close())
                .isInstanceOfSatisfying(
                    ImageException.class, e -> assertThat(e.kind()).isEqualTo(kind))
                .hasMessage(message));
  }

  @Test
  void r15AnImageThatIsItsOwnBackingFile() {
    Path image = overlay("self.qcow2", "self.qcow2", "qcow2");
    assertRefused(
        image,
        ErrorKind.REFUSED,
        image + ": Backing file '" + image + "' creates an infinite loop.");
  }

  @Test
  void r15TwoImagesThatNameEachOther() {
    Path first = overlay("a.qcow2", "b.qcow2", "qcow2");
    overlay("b.qcow2", "a.qcow2", "qcow2");
    assertRefused(
        first,
        ErrorKind.REFUSED,
        first + ": Backing file '" + first + "' creates an infinite loop.");
  }

  @Test
  void r15ALoopThroughAHardLinkAndASymbolicLink() throws Exception {
    Path image = overlay("a.qcow2", "link.qcow2", "qcow2");
    Files.createLink(scratch.path("hard.qcow2"), image);
    Files.createSymbolicLink(scratch.path("link.qcow2"), Path.of("hard.qcow2"));
    assertRefused(
        image,
        ErrorKind.REFUSED,
        scratch.path("link.qcow2")
            + ": Backing file '"
            + scratch.path("link.qcow2")
            + "' creates an infinite loop.");
  }

  @Test
  void r15AVeryDeepChain() throws Exception {
    byte[] image = Files.readAllBytes(overlay("layer-00000", "layer-00001", "qcow2"));
    String text = new String(image, StandardCharsets.ISO_8859_1);
    for (int i = 1; i <= 300; i++) {
      String next = text.replace("layer-00001", String.format("layer-%05d", i + 1));
      Files.write(
          scratch.path(String.format("layer-%05d", i)), next.getBytes(StandardCharsets.ISO_8859_1));
    }
    Path top = scratch.path("layer-00000");
    assertRefused(top, ErrorKind.REFUSED, top + ": backing chain has more than 256 layers");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "nbd://127.0.0.1:1/x",
        "http://127.0.0.1/x",
        "rbd:pool/x",
        "fd:0",
        "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\"filename\":\"/etc/passwd\"}}"
      })
  void r16ProtocolNamesAreNeverOpened(String name) {
    Path image = overlay("disk.qcow2", "placeholder", "raw");
    name(image, name);
    assertRefused(
        image,
        ErrorKind.REFUSED,
        image
            + ": backing file '"
            + name
            + "' is not opened: protocol and json: names are refused, expected the path of a file");
  }

  /** Records another backing name: qemu-img would judge some of them. */
  private static void name(Path image, String name) {
    byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
    try (Patcher p = Patcher.open(image)) {
      p.bytes(2048, bytes).header("backing_file_offset", 2048);
      p.header("backing_file_size", bytes.length);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"/dev/zero", "/dev/null", "/etc", "fifo"})
  void r16OnlyRegularFilesAndBlockDevicesAreOpened(String name) {
    Run.ok("mkfifo", scratch.path("fifo").toString());
    Path image = overlay("disk.qcow2", name, "raw");
    String path = name.startsWith("/") ? name : scratch.path(name).toString();
    String type =
        name.equals("/etc") ? "a directory" : name.equals("fifo") ? "a FIFO" : "a character device";
    assertRefused(
        image,
        ErrorKind.REFUSED,
        path
            + ": Could not open backing file: '"
            + path
            + "' is "
            + type
            + "; expected a regular file or a block device");
  }

  @Test
  void r16AMissingBackingFile() {
    Path image = overlay("disk.qcow2", "missing.raw", "raw");
    String path = scratch.path("missing.raw").toString();
    assertRefused(
        image,
        ErrorKind.IO,
        path
            + ": Could not open backing file: Could not open '"
            + path
            + "': No such file or directory");
  }

  @Test
  void r16TheSameDirPolicyHoldsThroughSymbolicLinks() throws Exception {
    Path outside = Files.createDirectories(scratch.path("other")).resolve("base.raw");
    Files.write(outside, new byte[1 << 20]);
    Files.createSymbolicLink(scratch.path("link.raw"), outside);
    for (String name : new String[] {outside.toString(), "other/base.raw", "link.raw"}) {
      Path image = overlay("disk.qcow2", name, "raw");
      open(image).close();
      OpenOptions sameDir = OpenOptions.readOnly().withBackingPolicy(BackingPolicy.SAME_DIR);
      assertThatThrownBy(() -> Images.open(image.toString(), sameDir).close())
          .isInstanceOf(ImageException.class)
          .hasMessage(
              image
                  + ": backing file '"
                  + name
                  + "' is not opened: it lies outside the image's folder, and the policy for"
                  + " implicit opens is same-dir");
    }
  }

  @Test
  void r16TheDenyPolicyOpensNothing() throws Exception {
    Files.write(scratch.path("base.raw"), new byte[1 << 20]);
    Path image = overlay("disk.qcow2", "base.raw", "raw");
    OpenOptions deny = OpenOptions.readOnly().withBackingPolicy(BackingPolicy.DENY);
    assertThatThrownBy(() -> Images.open(image.toString(), deny).close())
        .isInstanceOf(ImageException.class)
        .hasMessage(
            image
                + ": backing file 'base.raw' is not opened: the policy for implicit opens is deny");
  }

  @Test
  void r16AnUnknownBackingFormat() throws Exception {
    Files.write(scratch.path("base.raw"), new byte[1 << 20]);
    Path image = overlay("disk.qcow2", "base.raw", "qcow2");
    try (Patcher p = Patcher.open(image)) {
      p.bytes(p.extension(BACKING_FORMAT), "bogus".getBytes(StandardCharsets.US_ASCII));
    }
    String path = scratch.path("base.raw").toString();
    assertRefused(
        image,
        ErrorKind.UNSUPPORTED,
        path + ": Could not open backing file: Unknown driver 'bogus'; expected qcow2 or raw");
  }

  @Test
  void r17ARecordedRawFormatIsNotProbedOver() throws Exception {
    Path hostile = scratch.path("base.raw");
    QemuImg.create(hostile, 1 << 20);
    Path image = overlay("disk.qcow2", "base.raw", "raw");
    try (Image opened = open(image)) {
      DataBuffer head = DataBuffer.allocate(4);
      opened.read(0, head, 0, 4);
      assertThat(head.bytes().getInt(0)).as("the raw bytes: qcow2's magic").isEqualTo(0x514649fb);
    }
    assertThat(warnings).isEmpty();
  }

  @Test
  void r17AMissingFormatIsProbedWithAWarning() {
    Path base = scratch.path("base");
    QemuImg.create(base, 1 << 20);
    Path image = overlay("disk.qcow2", "base", "qcow2");
    try (Patcher p = Patcher.open(image)) {
      p.u32(p.extension(BACKING_FORMAT) - 8, 0x12345678);
    }
    assertThatNoException(image);
    assertThat(warnings)
        .singleElement()
        .asString()
        .startsWith(base + ": no backing format is recorded for this backing file; probing it");
  }

  private void assertThatNoException(Path image) {
    try (Image opened = open(image)) {
      assertThat(opened.info(1).format()).isEqualTo("qcow2");
    } catch (ImageException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void r18TheDataFilePassesTheSameGate() throws Exception {
    Path image = Seed.DATA_FILE.copyTo(scratch.folder());
    OpenOptions deny = OpenOptions.readOnly().withBackingPolicy(BackingPolicy.DENY);
    assertThatThrownBy(() -> Images.open(image.toString(), deny).close())
        .isInstanceOf(ImageException.class)
        .hasMessage(
            image
                + ": data file '"
                + scratch.path("disk.data")
                + "' is not opened: the policy for implicit opens is deny");
    Files.delete(scratch.path("disk.data"));
    String path = scratch.path("disk.data").toString();
    assertRefused(
        image, ErrorKind.IO, path + ": Could not open '" + path + "': No such file or directory");
    // Describing the image opens nothing else.
    try (Image described = Images.open(image.toString(), OpenOptions.readOnly().forDescription())) {
      assertThat(described.info().virtualSize()).isEqualTo(Seed.SIZE);
    }
  }

  @Test
  void r18AnImageThatIsItsOwnDataFile() {
    Path image = Seed.DATA_FILE.copyTo(scratch.folder());
    try (Patcher p = Patcher.open(image)) {
      long at = p.extension(0x44415441);
      byte[] name = "./disk.qcow2".getBytes(StandardCharsets.US_ASCII);
      byte[] padded = new byte[(int) p.u32(at - 4)];
      Arrays.fill(padded, (byte) '/');
      padded[0] = '.';
      System.arraycopy(name, 2, padded, padded.length - name.length + 2, name.length - 2);
      p.bytes(at, padded);
    }
    assertThatThrownBy(() -> open(image).close())
        .isInstanceOfSatisfying(
            ImageException.class, e -> assertThat(e.kind()).isEqualTo(ErrorKind.REFUSED))
        .hasMessageContaining("creates an infinite loop.");
  }
}
