package org.qcowfs.it.mount;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/** The program run by an ordinary user, who mounts through {@code fusermount}. */
class MountPlainUserIT {
  private static final String NOBODY = "65534";
  private static final Path DEVICE = Path.of("/dev/fuse");

  private Set<PosixFilePermission> deviceMode;
  private Path folder;
  private Path image;
  private Path point;

  @BeforeEach
  void becomeAbleToMount() throws IOException {
    Requires.root();
    Requires.tools("fusermount", "setpriv");
    // udev makes it so on every ordinary system.
    deviceMode = Files.getPosixFilePermissions(DEVICE);
    Files.setPosixFilePermissions(DEVICE, PosixFilePermissions.fromString("rw-rw-rw-"));
    folder = Files.createTempDirectory("qcowfs-user");
    image = folder.resolve("disk.raw");
    point = Files.createDirectory(folder.resolve("mnt"));
    try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
      file.setLength(1 << 20);
    }
    Run.ok("chown", "-R", NOBODY, folder.toString());
  }

  @AfterEach
  void restore() throws IOException {
    if (Mounted.isMountPoint(point)) {
      Run.run(Run.PATIENCE, List.of("umount", "-l", point.toString()));
    }
    Files.setPosixFilePermissions(DEVICE, deviceMode);
    TempImages.deleteTree(folder);
  }

  /** The program where the user can read it: the build's own folders may be closed to others. */
  private List<String> readable(List<String> command) throws IOException {
    List<String> copied = new ArrayList<>(command);
    int at = copied.indexOf("-cp") + 1;
    Path to = Files.createDirectories(folder.resolve("classpath"));
    List<String> entries = new ArrayList<>();
    for (String entry : copied.get(at).split(File.pathSeparator)) {
      if (Files.exists(Path.of(entry))) {
        Path copy = to.resolve(entries.size() + "-" + Path.of(entry).getFileName());
        Run.ok("cp", "-r", entry, copy.toString());
        entries.add(copy.toString());
      }
    }
    Run.ok("chmod", "-R", "a+rX", to.toString());
    copied.set(at, String.join(File.pathSeparator, entries));
    return copied;
  }

  private Run.Result asUser(List<String> command) {
    List<String> all =
        new ArrayList<>(
            Arrays.asList("setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"));
    all.addAll(command);
    return Run.run(
        Run.PATIENCE,
        all,
        folder,
        Map.of("XDG_RUNTIME_DIR", folder.toString(), "HOME", folder.toString()),
        "");
  }

  @Test
  void anOrdinaryUserMountsReadsAndUnmounts() throws IOException {
    asUser(readable(CliRun.detached("-Xmx64m", "mount", image.toString(), point.toString())))
        .orFail();

    Path disk = point.resolve("disk.raw");
    String owner = asUser(List.of("stat", "-c", "%u %s", disk.toString())).orFail().out().strip();
    assertThat(owner).isEqualTo(NOBODY + " " + (1 << 20));
    asUser(List.of("cmp", disk.toString(), image.toString())).orFail();
    assertThat(Run.run(Run.PATIENCE, List.of("stat", disk.toString())).err())
        .as("another user, root too")
        .contains("Permission denied");
    assertThat(Files.readString(Path.of("/proc/self/mounts")))
        .contains(image + " " + point + " fuse.qcowfs ro,");

    asUser(readable(CliRun.command("-Xmx64m", "umount", point.toString()))).orFail();
    assertThat(Mounted.isMountPoint(point)).isFalse();
    asUser(List.of("ls", folder.resolve("qcowfs").toString())).orFail();
    assertThat(folder.resolve("qcowfs").toFile().list()).isEmpty();
  }

  @Test
  void whereTheDeviceIsClosedToUsersTheMessageSaysSo() throws IOException {
    Files.setPosixFilePermissions(DEVICE, PosixFilePermissions.fromString("rw-------"));

    Run.Result result =
        asUser(readable(CliRun.detached("-Xmx64m", "mount", image.toString(), point.toString())));

    assertThat(result.exitCode()).as(result.toString()).isEqualTo(1);
    assertThat(result.err()).contains("/dev/fuse", "Permission denied");
  }
}
