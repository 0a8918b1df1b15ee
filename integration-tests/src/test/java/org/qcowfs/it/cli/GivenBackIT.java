package org.qcowfs.it.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/** What an image still takes of its host after {@code commit} or {@code resize --shrink}. */
class GivenBackIT {
  private static void commit(TempImages temp, String options, Path overlay) {
    Path base = temp.path("base");
    Run.ok("qemu-img", "create", "-q", "-f", "qcow2", base.toString(), "200M");
    Run.ok(
        "qemu-img",
        "create",
        "-q",
        "-f",
        "qcow2",
        "-o",
        options,
        "-b",
        base.toString(),
        "-F",
        "qcow2",
        overlay.toString());
    Run.ok(
        "qemu-io", "-c", "write -q -P 3 0 40M", "-c", "write -q -P 4 100M 9M", overlay.toString());
    Cli.qcowfs(temp.folder(), "commit", "-q", overlay.toString()).orFail();
    Run.ok("qemu-img", "check", "-q", overlay.toString());
  }

  private static long bytesOnHost(Path file) {
    return 512 * Long.parseLong(Run.ok("stat", "-c", "%b", file.toString()).out().strip());
  }

  @ParameterizedTest
  @ValueSource(strings = {"cluster_size=512", "cluster_size=4k", "cluster_size=64k"})
  void theHostHasItsBlocksBack(String options) throws IOException {
    Requires.tools("qemu-img", "qemu-io");
    try (TempImages temp = TempImages.create("committed")) {
      Path overlay = temp.path("overlay");
      commit(temp, options, overlay);
      assertThat(bytesOnHost(overlay)).isLessThan(1 << 20);
    }
  }

  /** As after qemu-img: no table was moved behind what was in use. */
  @Test
  void theFileIsShortAgain() throws IOException {
    Requires.tools("qemu-img", "qemu-io");
    try (TempImages temp = TempImages.create("committed")) {
      Path overlay = temp.path("overlay");
      commit(temp, "extended_l2=on", overlay);
      assertThat(Files.size(overlay)).isEqualTo(4 << 16);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"cluster_size=4k,refcount_bits=64", "cluster_size=64k"})
  void aShrunkImageIsAsLongAsQemus(String options) throws IOException {
    Requires.tools("qemu-img", "qemu-io");
    try (TempImages temp = TempImages.create("shrunk")) {
      Path image = temp.path("image");
      Path theirs = temp.path("theirs");
      Run.ok("qemu-img", "create", "-q", "-f", "qcow2", "-o", options, image.toString(), "1G");
      Run.ok(
          "qemu-io",
          "-c",
          "write -q 0 9M",
          "-c",
          "write -q 700M 20M",
          "-c",
          "write -q 3M 9M",
          image.toString());
      Files.copy(image, theirs);
      // The last L2 table that stays is written anew, in front of the end.
      Run.ok("qemu-img", "resize", "-q", "--shrink", theirs.toString(), "7M");
      Cli.qcowfs(temp.folder(), "resize", "-q", "--shrink", image.toString(), "7M").orFail();
      Run.ok("qemu-img", "check", "-q", image.toString());
      Run.ok("qemu-img", "compare", image.toString(), theirs.toString());
      assertThat(Files.size(image)).isEqualTo(Files.size(theirs));
    }
  }
}
