package org.qcowfs.it.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/** What is said, and which exit code is left, when a command line or an image is not right. */
class MessagesIT {
  private static TempImages scratch;

  @BeforeAll
  static void makeImages() throws IOException {
    Requires.tools("qemu-img", "qemu-io");
    scratch = TempImages.create("messages");
    QemuImg.create(scratch.path("a.qcow2"), 1 << 20);
    QemuImg.createOverlay(scratch.path("over,comma.qcow2"), "a.qcow2", "qcow2");
    QemuIo.on(scratch.path("a.qcow2")).writeCompressed(1, 0, 65536).run();
    QemuImg.snapshot(scratch.path("a.qcow2"), "first");
    Files.write(scratch.path("plain.raw"), new byte[4096]);
  }

  @AfterAll
  static void remove() {
    scratch.close();
  }

  /** Output, message and exit code equal qemu-img's. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "nonsense",
        "info",
        "info a b",
        "info --output=xml a.qcow2",
        "info --bogus a.qcow2",
        "info -f",
        "info --output",
        "info -f qcow2 plain.raw",
        "info --image-opts -f raw a.qcow2",
        "info a.qcow2",
        "info -- a.qcow2",
        "info a.qcow2 --output=json",
        "info --out json a.qcow2",
        "info -Uf qcow2 a.qcow2",
        "info -fqcow2 a.qcow2",
        "info --force-share --output=json a.qcow2",
        "info --object secret,id=x,data=y a.qcow2",
        "info --image-opts driver=qcow2,file.filename=a.qcow2",
        "info --image-opts driver=qcow2,file.driver=file,file.filename=over,,comma.qcow2",
        "info --image-opts driver=raw,file.driver=file,file.filename=plain.raw",
        "info -f raw plain.raw",
        "map",
        "map a.qcow2",
        "map --output=json a.qcow2",
        "map --output=csv a.qcow2",
        "snapshot",
        "snapshot -l",
        "snapshot -l a.qcow2",
        "snapshot -q -l a.qcow2",
        "snapshot -l plain.raw",
      })
  void sameAsQemuImg(String line) {
    String[] words = line.isEmpty() ? new String[0] : line.split(" ");
    Run.Result qemu = Cli.qemuImg(scratch.folder(), words);
    Run.Result ours = Cli.asQemuImg(scratch.folder(), words);
    assertThat(ours.out()).isEqualTo(qemu.out());
    assertThat(ours.err()).isEqualTo(qemu.err());
    assertThat(ours.exitCode()).isEqualTo(qemu.exitCode());
  }

  @Test
  void missingFileIsNamedOnce() {
    Run.Result ours = Cli.qcowfs(scratch.folder(), "info", "nofile");
    assertThat(ours.err())
        .isEqualTo("qcowfs: Could not open 'nofile': No such file or directory\n");
    assertThat(ours.exitCode()).isEqualTo(1);
  }

  @Test
  void folderIsRefused() {
    Run.Result ours = Cli.qcowfs(scratch.folder(), "info", ".");
    assertThat(ours.err()).startsWith("qcowfs: Could not open '.': ").hasLineCount(1);
    assertThat(ours.exitCode()).isEqualTo(1);
  }

  @Test
  void missingBackingFileIsNamed() {
    QemuImg.create(scratch.path("gone.qcow2"), 1 << 20);
    QemuImg.createOverlay(scratch.path("orphan.qcow2"), "gone.qcow2", "qcow2");
    assertThat(scratch.path("gone.qcow2").toFile().delete()).isTrue();
    assertThat(Cli.qcowfs(scratch.folder(), "info", "orphan.qcow2").exitCode()).isZero();
    for (List<String> command :
        List.of(
            List.of("map", "orphan.qcow2"), List.of("info", "--backing-chain", "orphan.qcow2"))) {
      Run.Result ours = Cli.qcowfs(scratch.folder(), command.toArray(String[]::new));
      assertThat(ours.err())
          .startsWith("qcowfs: Could not open 'orphan.qcow2': ")
          .contains("gone.qcow2")
          .contains("No such file or directory")
          .hasLineCount(1);
      assertThat(ours.exitCode()).isEqualTo(1);
    }
  }

  @Test
  void unknownFormatSaysWhatIsKnown() {
    Run.Result ours = Cli.qcowfs(scratch.folder(), "info", "-f", "vmdk", "a.qcow2");
    assertThat(ours.err())
        .isEqualTo(
            "qcowfs: Could not open 'a.qcow2': Unknown driver 'vmdk'; expected qcow2 or raw\n");
    assertThat(ours.exitCode()).isEqualTo(1);
  }

  @Test
  void encryptedImageIsDescribedButNotMapped() {
    Path image = scratch.path("aes.qcow2");
    QemuImg.run(
        "create",
        "-q",
        "-f",
        "qcow2",
        "--object",
        "secret,id=s,data=x",
        "-o",
        "encrypt.format=aes,encrypt.key-secret=s",
        image.toString(),
        "1M");
    Run.Result info = Cli.qcowfs(scratch.folder(), "info", "--output=json", "aes.qcow2");
    assertThat(info.out()).contains("\"encrypted\": true").contains("\"format\": \"aes\"");
    assertThat(info.exitCode()).isZero();
    Run.Result map = Cli.qcowfs(scratch.folder(), "map", "aes.qcow2");
    assertThat(map.err()).contains("AES").hasLineCount(1);
    assertThat(map.exitCode()).isEqualTo(1);
  }

  @Test
  void namesOutOfTheImageCannotDriveTheTerminal() {
    Path image = scratch.path("names.qcow2");
    QemuImg.create(image, 1 << 20);
    QemuImg.snapshot(image, "red \u001b[31m\nline");
    Run.Result text = Cli.qcowfs(scratch.folder(), "snapshot", "-l", "names.qcow2");
    assertThat(text.out()).contains("red \\x1b[31m\\x0aline").doesNotContain("\u001b");
    Run.Result json =
        Cli.qcowfs(scratch.folder(), "snapshot", "-l", "--output=json", "names.qcow2");
    assertThat(json.out()).contains("\"name\": \"red \\u001B[31m\\nline\"");
  }

  @Test
  void snapshotsAsJsonAreThoseOfInfo() throws IOException {
    String list =
        Cli.qcowfs(scratch.folder(), "snapshot", "-l", "--output=json", "a.qcow2").orFail().out();
    String info = Cli.qemuImg(scratch.folder(), "info", "--output=json", "a.qcow2").orFail().out();
    String member = info.substring(info.indexOf("\"snapshots\": ") + "\"snapshots\": ".length());
    assertThat(list.replaceAll("\\s", ""))
        .startsWith("[{\"icount\":0,")
        .isEqualTo(member.substring(0, member.indexOf(']') + 1).replaceAll("\\s", ""));
    Run.Result none = Cli.qcowfs(scratch.folder(), "snapshot", "-l", "--output=json", "plain.raw");
    assertThat(none.out()).isEqualTo("[\n]\n");
  }

  @Test
  void fullDiskIsReported() {
    Run.Result ours =
        Run.run(
            Run.PATIENCE,
            List.of(
                "sh",
                "-c",
                "\"$0\" map --output=json a.qcow2 >/dev/full",
                Cli.launcher().toString()),
            scratch.folder(),
            Cli.environment(),
            "");
    assertThat(ours.err())
        .isEqualTo("qcowfs: Could not write the output: No space left on device\n");
    assertThat(ours.exitCode()).isEqualTo(1);
  }

  @Test
  void rawSizeIsExact() throws IOException {
    Files.write(scratch.path("odd.raw"), new byte[1000]);
    assertThat(Cli.qcowfs(scratch.folder(), "info", "-f", "raw", "odd.raw").out())
        .contains("virtual size: 0.977 KiB (1000 bytes)");
    assertThat(Cli.qcowfs(scratch.folder(), "map", "--output=json", "-f", "raw", "odd.raw").out())
        .contains("\"length\": 1000,");
  }

  @Test
  void namesBeyondAsciiAreFoundInAnyLocale() throws IOException {
    Path image = scratch.path("größe.qcow2");
    QemuImg.create(image, 1 << 20);
    Run.Result ours =
        Run.run(
            Run.PATIENCE,
            List.of(
                "env", "-u", "LC_ALL", "LANG=C", Cli.launcher().toString(), "info", "größe.qcow2"),
            scratch.folder(),
            Cli.environment(),
            "");
    assertThat(ours.err()).isEmpty();
    assertThat(ours.out()).startsWith("image: größe.qcow2\n");
  }
}
