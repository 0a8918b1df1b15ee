package org.qcowfs.it.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;

/** Half a minute of {@code integration-tests/fuzz}, the same images every time. */
class FuzzIT {
  @Test
  void nothingThatAnImageSaysDoesHarm() {
    Requires.fuse();
    Requires.tools("qemu-img", "qemu-io");
    List<String> command =
        CliRun.javaCommand(List.of("-ea", "-Xmx96m"), FuzzRun.class.getName(), "30", "1", "0");
    Run.Result result = Run.run(Duration.ofMinutes(10), command);
    assertThat(result.exitCode()).as("%s", result).isZero();
  }
}
