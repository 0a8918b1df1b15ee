package org.qcowfs.cli.render;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.qcowfs.engine.qcow2.check.CheckResult;

final class CheckTextTest {
  @Test
  void percentagesAreRoundedAsPrintfRounds() throws IOException {
    StringBuilder out = new StringBuilder();
    CheckText.write(new CheckResult(0, 0, 0, 64, 26, 1, 3, 4096, false, null), out);
    // 40.625 is exact in binary and goes to the even neighbour.
    assertThat(out)
        .hasToString(
            """
            No errors were found on the image.
            26/64 = 40.62% allocated, 3.85% fragmented, 11.54% compressed clusters
            Image end offset: 4096
            """);
  }

  @Test
  void everyKindOfFindingIsSaid() throws IOException {
    StringBuilder out = new StringBuilder();
    CheckText.write(new CheckResult(1, 2, 3, 0, 0, 0, 0, 0, false, null), out);
    assertThat(out.toString())
        .contains("\n1 errors were found on the image.\n")
        .contains("\n2 leaked clusters were found on the image.\n")
        .contains("\n3 internal errors have occurred during the check.\n")
        .doesNotContain("No errors");
  }
}
