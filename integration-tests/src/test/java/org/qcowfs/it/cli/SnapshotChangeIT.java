package org.qcowfs.it.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.Sha256;
import org.qcowfs.it.support.TempImages;

/** {@code snapshot -c}, {@code -a} and {@code -d}, judged by the real qemu-img. */
class SnapshotChangeIT {
  private static final long SIZE = 8 << 20;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "compat=1.1",
        "compat=0.10",
        "cluster_size=512",
        "cluster_size=2M",
        "extended_l2=on",
        "refcount_bits=64",
      })
  void snapshotsOfOursAreQemusToo(String option) {
    try (TempImages temp = TempImages.create("snapshot-change")) {
      Path image = temp.path("disk.qcow2");
      QemuImg.create(image, SIZE, option);
      QemuIo.on(image).write(1, 0, 1 << 20).write(2, 4 << 20, 100 << 10).run();
      String first = raw(temp, image);
      CliRun.ok("snapshot", "-c", "first", image.toString());
      QemuIo.on(image).write(3, 512 << 10, 1 << 20).run();
      String second = raw(temp, image);
      QemuImg.snapshot(image, "second");
      CliRun.ok("snapshot", "-c", "third", image.toString());
      check(image);
      assertThat(snapshot(temp, image, "first")).isEqualTo(first);
      assertThat(snapshot(temp, image, "second")).isEqualTo(second);
      assertThat(snapshot(temp, image, "third")).isEqualTo(second);

      CliRun.ok("snapshot", "-a", "first", image.toString());
      assertThat(raw(temp, image)).isEqualTo(first);
      check(image);
      CliRun.ok("snapshot", "-d", "second", image.toString());
      CliRun.ok("snapshot", "-d", "1", image.toString());
      check(image);
      assertThat(snapshot(temp, image, "third")).isEqualTo(second);
      CliRun.ok("snapshot", "-d", "third", image.toString());
      QemuIo.on(image).write(9, 0, SIZE).run();
      check(image);
      assertThat(CliRun.ok("snapshot", "-l", image.toString()).out()).isEmpty();
    }
  }

  @Test
  void whatCannotBeDoneIsSaidAsQemuImgSaysIt() {
    try (TempImages temp = TempImages.create("snapshot-messages")) {
      Path image = temp.path("disk.qcow2");
      QemuImg.create(image, SIZE);
      String before = Sha256.ofFile(image);
      for (String[] words :
          new String[][] {{"-d", "nope"}, {"-a", "nope"}, {"-c", "x", "-d", "y"}}) {
        String[] ours = new String[words.length + 2];
        ours[0] = "snapshot";
        System.arraycopy(words, 0, ours, 1, words.length);
        ours[ours.length - 1] = image.toString();
        List<String> command = new ArrayList<>(List.of("qemu-img"));
        command.addAll(Arrays.asList(ours));
        var theirs = Run.run(Run.PATIENCE, command);
        var result = CliRun.run(ours);
        assertThat(result.exitCode()).isEqualTo(theirs.exitCode()).isEqualTo(1);
        assertThat(result.err()).isEqualTo(theirs.err().replace("qemu-img", "qcowfs"));
      }
      assertThat(Sha256.ofFile(image)).isEqualTo(before);
    }
  }

  private static void check(Path image) {
    QemuImg.run("check", "-q", image.toString()); // fails on errors and on leaks
  }

  private static String raw(TempImages temp, Path image) {
    Path raw = temp.path("out.raw");
    QemuImg.toRaw(image, "qcow2", raw);
    return Sha256.ofFile(raw);
  }

  private static String snapshot(TempImages temp, Path image, String name) {
    Path raw = temp.path("snapshot.raw");
    QemuImg.snapshotToRaw(image, name, raw);
    return Sha256.ofFile(raw);
  }
}
