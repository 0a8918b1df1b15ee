package org.qcowfs.cli.command.mount;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.qcowfs.cli.CommandException;

class MountOptionListTest {
  @Test
  void splitsAtCommasThatAreNotQuoted() throws CommandException {
    assertThat(MountOptionList.parse(List.of("allow_other,uid=5", "fsname=a\\,b")))
        .containsExactly("allow_other", "uid=5", "fsname=a\\,b");
  }

  @Test
  void dropsWhatIsSoAnyway() throws CommandException {
    assertThat(MountOptionList.parse(List.of("defaults,ro", ""))).isEmpty();
  }

  @Test
  void refusesToWrite() {
    assertThatThrownBy(() -> MountOptionList.parse(List.of("rw")))
        .isInstanceOf(CommandException.class)
        .hasMessage("option 'rw': mounts are read-only");
  }
}
