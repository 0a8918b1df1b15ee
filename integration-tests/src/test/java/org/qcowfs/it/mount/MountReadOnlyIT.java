package org.qcowfs.it.mount;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.engine.host.posix.PosixCalls;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.Sha256;
import org.qcowfs.it.support.TempImages;

class MountReadOnlyIT {
  @Test
  void nothingCanBeChangedAndTheFilesStayAsTheyWere() throws IOException {
    Requires.root();
    Requires.tools("qemu-img", "qemu-io");
    try (TempImages temp = TempImages.create("readonly")) {
      Path base = temp.path("base.qcow2");
      Path top = temp.path("top.qcow2");
      Run.ok("qemu-img", "create", "-q", "-f", "qcow2", base.toString(), "8M");
      Run.ok("qemu-io", "-c", "write -q -P 5 1M 1M", base.toString());
      Run.ok("qemu-img", "snapshot", "-c", "s", base.toString());
      Run.ok(
          "qemu-img",
          "create",
          "-q",
          "-f",
          "qcow2",
          "-F",
          "qcow2",
          "-b",
          base.toString(),
          top.toString());
      List<Path> files = List.of(base, top);
      List<String> hashes = files.stream().map(Sha256::ofFile).toList();
      FileTime baseTime = Files.getLastModifiedTime(base);
      FileTime topTime = Files.getLastModifiedTime(top);
      try (Mounted mount = Mounted.mount(top, temp.makeFolder("mnt"))) {
        Path disk = mount.disk();
        for (int flags : new int[] {PosixCalls.O_RDWR, 1, PosixCalls.O_RDWR | PosixCalls.O_TRUNC}) {
          assertThat(PosixCalls.open(disk.toString(), flags)).isEqualTo(-1);
          assertThat(PosixCalls.errno()).isEqualTo(Errno.EROFS);
        }
        String in = mount.point().toString();
        for (List<String> change :
            List.of(
                List.of("truncate", "-s", "1M", disk.toString()),
                List.of("touch", in + "/new"),
                List.of("mkdir", in + "/snapshots/new"),
                List.of("rm", "-f", disk.toString()),
                List.of("mv", disk.toString(), in + "/moved"),
                List.of("chmod", "600", disk.toString()),
                List.of("chown", "1", disk.toString()),
                List.of("ln", "-s", "x", in + "/link"),
                List.of("touch", disk.toString()))) {
          Run.Result result = Run.run(Run.PATIENCE, change);
          assertThat(result.exitCode()).as(result.toString()).isNotZero();
          assertThat(result.err()).contains("Read-only file system");
        }
        // What reads only must work, fsync of a file opened for reading too.
        Run.ok("sync", disk.toString());
        Run.ok("sha256sum", disk.toString(), mount.layer(1).toString());
      }
      assertThat(files.stream().map(Sha256::ofFile).toList()).isEqualTo(hashes);
      assertThat(Files.getLastModifiedTime(base)).isEqualTo(baseTime);
      assertThat(Files.getLastModifiedTime(top)).isEqualTo(topTime);
    }
  }
}
