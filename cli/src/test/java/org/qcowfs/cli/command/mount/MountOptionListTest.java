package org.qcowfs.cli.command.mount;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.qcowfs.cli.program.CommandException;

class MountOptionListTest {
  @Test
  void splitsAtCommasThatAreNotQuoted() throws CommandException {
    assertThat(MountOptionList.parse(List.of("allow_other,uid=5", "fsname=a\\,b"), false))
        .containsExactly("allow_other", "uid=5", "fsname=a\\,b");
  }

  @Test
  void dropsWhatIsSoAnyway() throws CommandException {
    assertThat(MountOptionList.parse(List.of("defaults,ro", ""), false)).isEmpty();
  }

  @Test
  void readOnlyOrReadWriteMustNotContradictTheMount() throws CommandException {
    assertThat(MountOptionList.parse(List.of("rw"), true)).isEmpty();
    assertThatThrownBy(() -> MountOptionList.parse(List.of("rw"), false))
        .isInstanceOf(CommandException.class)
        .hasMessage("-o rw needs --rw or --overlay");
    assertThatThrownBy(() -> MountOptionList.parse(List.of("ro"), true))
        .isInstanceOf(CommandException.class)
        .hasMessage("-o ro goes with neither --rw nor --overlay");
  }
}
