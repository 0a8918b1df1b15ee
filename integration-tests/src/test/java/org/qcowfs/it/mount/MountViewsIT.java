package org.qcowfs.it.mount;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

class MountViewsIT {
  private TempImages temp;
  private Path image;

  @BeforeEach
  void makeImage() {
    Requires.fuse();
    Requires.tools("qemu-img", "qemu-io");
    temp = TempImages.create("views");
    image = temp.path("vm.qcow2");
    Run.ok("qemu-img", "create", "-q", "-f", "qcow2", image.toString(), "64M");
    Run.ok("qemu-io", "-c", "write -q -P 1 8M 3M", image.toString());
    Run.ok("qemu-img", "snapshot", "-c", "../a/b", image.toString());
    Run.ok("qemu-img", "snapshot", "-c", "clean", image.toString());
  }

  @AfterEach
  void cleanUp() {
    temp.close();
  }

  private static List<String> names(Path folder) throws IOException {
    try (Stream<Path> children = Files.list(folder)) {
      return children.map(p -> p.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void namesOfSnapshotsBecomeSafeFileNames() throws IOException {
    try (Mounted mount = Mounted.mount(image, temp.makeFolder("mnt"))) {
      assertThat(names(mount.point()))
          .containsExactly(
              "check.json",
              "disk.raw",
              "info.json",
              "layers",
              "map.json",
              "snapshots",
              "stats.json");
      assertThat(names(mount.point().resolve("snapshots"))).containsExactly(".._a_b", "clean");
      assertThat(names(mount.point().resolve("layers"))).containsExactly("0-vm.qcow2");
      assertThat(names(mount.point().resolve("snapshots/clean")))
          .containsExactly("check.json", "disk.raw", "info.json", "map.json");
    }
  }

  @Test
  void aSnapshotHasItsOwnDate() throws IOException {
    try (Mounted mount = Mounted.mount(image, temp.makeFolder("mnt"))) {
      String info = Run.ok("qemu-img", "info", "-U", "--output=json", image.toString()).out();
      List<Long> dates =
          Pattern.compile("\"date-sec\": (\\d+)")
              .matcher(info)
              .results()
              .map(found -> Long.parseLong(found.group(1)))
              .toList();
      long date = dates.get(1);
      Path view = mount.point().resolve("snapshots/clean");
      for (Path path : List.of(view, view.resolve("disk.raw"))) {
        assertThat(Files.getLastModifiedTime(path).toMillis() / 1000).isEqualTo(date);
      }
      assertThat(Files.getLastModifiedTime(mount.disk()))
          .isEqualTo(Files.getLastModifiedTime(image));
    }
  }

  @Test
  void theDiskOccupiesWhatIsAllocated() throws IOException {
    try (Mounted mount = Mounted.mount(image, temp.makeFolder("mnt"))) {
      String blocks = Run.ok("stat", "-c", "%s %b %B", mount.disk().toString()).out().strip();
      assertThat(blocks).isEqualTo((64 << 20) + " " + (3 << 20) / 512 + " 512");
    }
  }

  @Test
  void theDocumentsAreTheCommandsOutput() throws IOException {
    try (Mounted mount = Mounted.mount(image, temp.makeFolder("mnt"))) {
      assertThat(Files.readString(mount.point().resolve("info.json")))
          .isEqualTo(CliRun.ok("info", "--output=json", image.toString()).out());
      assertThat(Files.readString(mount.point().resolve("map.json")))
          .isEqualTo(CliRun.ok("map", "--output=json", image.toString()).out());
      assertThat(Files.size(mount.point().resolve("info.json"))).isPositive();
      String check = CliRun.ok("check", "--output=json", image.toString()).out();
      for (String view : List.of("", "snapshots/clean/", "layers/0-vm.qcow2/")) {
        assertThat(Files.readString(mount.point().resolve(view + "check.json"))).isEqualTo(check);
      }
    }
  }

  @Test
  void aRegularFileAsMountPointIsTheDiskItself() throws IOException {
    Path point = Files.createFile(temp.path("flat"));
    try (Mounted mount = Mounted.mount(image, point)) {
      assertThat(Files.size(mount.point())).isEqualTo(64 << 20);
      Run.ok("qemu-img", "compare", "-f", "raw", "-F", "qcow2", point.toString(), image.toString());
    }
    assertThat(Files.size(point)).isZero();
  }

  @Test
  void openFilesAreForgottenWhenClosed() throws IOException {
    try (Mounted mount = Mounted.mount(image, temp.makeFolder("mnt"))) {
      // More opens than any table could hold if it forgot to forget; also two at once.
      Run.run(
              Run.PATIENCE,
              List.of(
                  "sh",
                  "-c",
                  "for i in $(seq 300); do cat \"$1\" \"$1\" >/dev/null || exit 1; done",
                  "sh",
                  mount.point().resolve("info.json").toString()),
              temp.folder(),
              Map.of(),
              "")
          .orFail();
    }
  }
}
