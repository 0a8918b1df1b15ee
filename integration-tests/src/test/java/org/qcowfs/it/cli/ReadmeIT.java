package org.qcowfs.it.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/** Every command of README and SECURITY works as it stands there. */
class ReadmeIT {
  private TempImages scratch;

  @BeforeEach
  void makeFolder() throws IOException {
    Requires.tools("fls", "qemu-img", "qemu-io", "losetup", "lsblk", "man", "mkfs.ext4");
    Requires.root();
    Requires.fuse();
    HelperLink.removeLeftover();
    scratch = TempImages.create("readme");
    Path image = scratch.path("vm.qcow2");
    QemuImg.create(image, 64 << 20);
    QemuIo.on(image).write(7, 1 << 20, 1 << 20).run();
    QemuImg.snapshot(image, "before-upgrade");
    QemuIo.on(image).write(8, 1 << 20, 1 << 20).run();
    Path raw = scratch.path("data.raw");
    Run.ok("mkfs.ext4", "-q", raw.toString(), "32M");
    Run.ok("qemu-img", "convert", "-O", "qcow2", raw.toString(), scratch.path("data.qcow2") + "");
    scratch.makeFolder("mnt");
    Files.createSymbolicLink(scratch.path("qcowfs"), Cli.launcher());
  }

  @AfterEach
  void remove() throws IOException {
    HelperLink.removeLeftover();
    if (Mounted.isMountPoint(scratch.path("mnt"))) {
      Run.ok("fusermount", "-u", scratch.path("mnt").toString());
    }
    scratch.close();
  }

  private static List<String> blocks(String document) throws IOException {
    String readme = Files.readString(CliRun.project().resolve(document));
    return Pattern.compile("^```sh\n(.*?)^```$", Pattern.MULTILINE | Pattern.DOTALL)
        .matcher(readme)
        .results()
        .map(match -> match.group(1))
        .toList();
  }

  @Test
  void beginsWithTheTwoCommands() throws IOException {
    assertThat(blocks("README.md").get(0)).isEqualTo("./qcowfs mount IMAGE DIR\n./test\n");
    assertThat(Files.isExecutable(CliRun.project().resolve("test"))).isTrue();
    Run.Result mount =
        Cli.run(scratch.path("qcowfs"), scratch.folder(), "mount", "vm.qcow2", "mnt");
    assertThat(mount.orFail().err()).isEmpty();
    Cli.run(scratch.path("qcowfs"), scratch.folder(), "umount", "mnt").orFail();
  }

  @TestFactory
  List<DynamicTest> everyOtherBlockRuns() throws IOException {
    List<String> readme = blocks("README.md");
    List<String> security = blocks("SECURITY.md");
    assertThat(readme).hasSizeGreaterThan(4);
    assertThat(security).hasSize(2);
    return Stream.concat(readme.stream().skip(1), security.stream())
        .map(
            block ->
                DynamicTest.dynamicTest(block.lines().findFirst().orElseThrow(), () -> runs(block)))
        .toList();
  }

  private void runs(String block) {
    Run.Result result =
        Run.run(
            Duration.ofMinutes(2),
            List.of("bash", "-eu", "-o", "pipefail", "-c", block),
            scratch.folder(),
            Cli.environment(),
            "");
    boolean leftMounted = Mounted.isMountPoint(scratch.path("mnt"));
    if (leftMounted) {
      Cli.run(scratch.path("qcowfs"), scratch.folder(), "umount", "mnt").orFail();
    }
    assertThat(result.exitCode()).as("%s", result).isZero();
    assertThat(leftMounted).as("left mounted").isFalse();
  }
}
