package org.qcowfs.fuse.system;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;

class MountTableTest {
  private static final String MOUNTINFO =
      """
      22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro
      90 22 0:57 / /mnt/a\\040b ro,nosuid master:3 propagate_from:2 - fuse.qcowfs /i/x\\134\\012y.qcow2 ro,user_id=0
      91 22 0:58 / /mnt/c rw - tmpfs tmpfs rw
      short line
      """;

  @Test
  void readsEveryField() {
    List<MountTable.Entry> entries = MountTable.parse(MOUNTINFO);
    assertThat(entries).hasSize(3);
    assertThat(entries.get(1))
        .isEqualTo(
            new MountTable.Entry(
                "0:57", "/mnt/a b", "fuse.qcowfs", "/i/x\\\ny.qcow2", "ro,nosuid,user_id=0"));
    assertThat(entries.get(2).options()).isEqualTo("rw");
  }

  @Test
  void findsTheRootOfThisSystem() {
    MountTable.Entry root = Objects.requireNonNull(MountTable.at(Path.of("/")));
    assertThat(root.mountPoint()).isEqualTo("/");
    assertThat(MountTable.at(Path.of("/proc/self/nothing"))).isNull();
  }
}
