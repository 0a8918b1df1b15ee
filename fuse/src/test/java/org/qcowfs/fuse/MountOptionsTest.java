package org.qcowfs.fuse;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

class MountOptionsTest {
  private static String argument(String source, String... extra) {
    return new MountOptions(Path.of("/mnt"), source, null, List.of(extra)).argument();
  }

  @Test
  void isReadOnlyAndNamesTheImage() {
    assertThat(argument("/a.qcow2").split(","))
        .contains("ro", "fsname=/a.qcow2", "subtype=qcowfs", "attr_timeout=86400");
  }

  @Test
  void quotesWhatLibfuseWouldSplit() {
    assertThat(argument("/a,b\\c")).contains("fsname=/a\\,b\\\\c");
  }

  @Test
  void leavesToTheUserWhatTheUserSets() {
    String argument = argument("/a", "fsname=other", "attr_timeout=1", "allow_other");
    assertThat(argument).doesNotContain("fsname=/a").doesNotContain("attr_timeout=86400");
    assertThat(argument.split(",")).contains("fsname=other", "attr_timeout=1", "allow_other");
  }
}
