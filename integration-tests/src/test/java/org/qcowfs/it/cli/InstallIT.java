package org.qcowfs.it.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/** {@code install}, what it makes work, and {@code uninstall}. */
class InstallIT {
  private TempImages temp;
  private Path prefix;
  private Path image;
  private Path folder;

  @BeforeEach
  void install() throws IOException {
    Requires.tools("qemu-img", "qemu-io", "mount", "man");
    Requires.root();
    Requires.fuse();
    HelperLink.removeLeftover();
    assertThat(HelperLink.exists()).isFalse();
    temp = TempImages.create("install");
    prefix = temp.path("prefix");
    image = temp.path("vm.qcow2");
    QemuImg.create(image, 8 << 20);
    QemuIo.on(image).write(5, 0, 64 << 10).run();
    folder = temp.makeFolder("mnt");
    Cli.qcowfs(temp.folder(), "install", "--prefix", prefix.toString()).orFail();
  }

  @AfterEach
  void remove() {
    if (Mounted.isMountPoint(folder)) {
      Run.ok("umount", folder.toString());
    }
    Cli.qcowfs(temp.folder(), "uninstall", "--prefix", prefix.toString());
    temp.close();
  }

  @Test
  void theInstalledProgramRunsByItself() {
    Run.Result info =
        Cli.run(prefix.resolve("bin/qcowfs"), temp.folder(), "info", image.toString());
    assertThat(info.orFail().out()).contains("virtual size: 8 MiB");
    assertThat(info.err()).isEmpty();
    assertThat(prefix.resolve("share/bash-completion/completions/qcowfs")).isNotEmptyFile();
    assertThat(prefix.resolve("share/zsh/site-functions/_qcowfs")).content().startsWith("#compdef");
    Run.Result page = Run.ok("man", "-l", prefix.resolve("share/man/man1/qcowfs.1").toString());
    assertThat(page.out()).contains("qcowfs");
  }

  @Test
  void mountKnowsTheType() throws IOException {
    String where = folder.toString();
    Run.ok("mount", "-t", "fuse.qcowfs", image.toString(), where, "-o", "ro,allow_other");
    assertThat(Files.isWritable(folder.resolve("disk.raw"))).isFalse();
    assertThat(Files.size(folder.resolve("disk.raw"))).isEqualTo(8 << 20);
    Run.ok("umount", where);
  }

  /** What mount(8) adds by itself does not open the image for writing. */
  @Test
  void aLineOfFstabWorks() throws IOException {
    Path table = temp.path("fstab");
    String where = folder.toString();
    Files.writeString(table, image + " " + where + " fuse.qcowfs noauto,x-a=b 0 0\n");
    Run.ok("mount", "-T", table.toString(), where);
    assertThat(disk(folder)).doesNotContain("w");
    Run.ok("umount", where);
    Files.writeString(table, image + " " + where + " fuse.qcowfs writable,cache=none 0 0\n");
    Run.ok("mount", "-T", table.toString(), where);
    assertThat(disk(folder)).contains("w");
    Run.ok("umount", where);
  }

  private static String disk(Path folder) throws IOException {
    return Files.getPosixFilePermissions(folder.resolve("disk.raw")).stream()
        .map(p -> p.name().endsWith("WRITE") ? "w" : "")
        .reduce("", String::concat);
  }

  @Test
  void uninstallLeavesNothing() {
    Cli.run(prefix.resolve("bin/qcowfs"), temp.folder(), "info", image.toString()).orFail();
    Cli.qcowfs(temp.folder(), "install", "--prefix", prefix.toString()).orFail(); // over itself
    Cli.run(prefix.resolve("bin/qcowfs"), temp.folder(), "uninstall", "--prefix", prefix.toString())
        .orFail();
    assertThat(prefix).doesNotExist();
    assertThat(HelperLink.exists()).isFalse();
    Run.Result again = Cli.qcowfs(temp.folder(), "uninstall", "--prefix", prefix.toString());
    assertThat(again.exitCode()).isEqualTo(1);
    assertThat(again.err()).isEqualTo("qcowfs: nothing is installed in " + prefix + "\n");
  }

  /** An installation was deleted by hand. */
  @Test
  void aLinkThatLeadsNowhereIsReplaced() throws IOException {
    Cli.qcowfs(temp.folder(), "uninstall", "--prefix", prefix.toString()).orFail();
    HelperLink.dangle();
    Cli.qcowfs(temp.folder(), "install", "--prefix", prefix.toString()).orFail();
    Run.ok("mount", "-t", "fuse.qcowfs", image.toString(), folder.toString(), "-o", "ro");
    Run.ok("umount", folder.toString());
  }

  @Test
  void foreignFilesStay() throws IOException {
    Path mine = Files.writeString(prefix.resolve("bin/mine"), "x");
    Cli.qcowfs(temp.folder(), "uninstall", "--prefix", prefix.toString()).orFail();
    assertThat(prefix.resolve("bin")).isDirectoryContaining(p -> p.equals(mine));
    assertThat(List.of(prefix.resolve("lib"), prefix.resolve("share"))).noneMatch(Files::exists);
  }
}
