package org.qcowfs.it.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/** The demo shows every stage of its file and leaves nothing behind. */
class DemoIT {
  @Test
  void runsAndCleansUp() {
    Requires.tools("qemu-img", "sgdisk", "mke2fs", "debugfs");
    Requires.root();
    Requires.fuse();
    try (TempImages scratch = TempImages.create("demo")) {
      Run.Result demo =
          Run.run(
              Run.PATIENCE,
              java.util.List.of(
                  "env", "TMPDIR=" + scratch.folder(), Cli.launcher().toString(), "demo"),
              Path.of("."),
              Cli.environment(),
              "");
      assertThat(demo.exitCode()).as("%s", demo).isZero();
      assertThat(demo.err()).isEmpty();
      assertThat(demo.out())
          .contains("mnt/layers/2-base.qcow2/disk.raw           1: in the base image")
          .contains("mnt/disk.raw                               4: in the second overlay, now")
          .contains("top.qcow2: OK");
      assertThat(scratch.folder()).isEmptyDirectory();
    }
  }
}
