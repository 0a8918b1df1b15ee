package org.qcowfs.it.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.qcowfs.it.corpus.Corpus;
import org.qcowfs.it.corpus.Recipe;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;

/**
 * Over the whole corpus, {@code info}, {@code map}, {@code check} and {@code snapshot -l} print
 * what qemu-img does.
 */
class LikeQemuImgIT {
  private static final List<List<String>> COMMANDS =
      List.of(
          List.of("info", "-U"),
          List.of("info", "-U", "--backing-chain", "--output=json"),
          List.of("map", "-U"),
          List.of("map", "-U", "--output=json"),
          List.of("map", "-U", "--output=json", "--start-offset=1000k", "--max-length=1.5M"),
          List.of("check", "-U"),
          List.of("check", "-U", "--output=json"),
          List.of("snapshot", "-U", "-l"));

  @BeforeAll
  static void tools() {
    Requires.tools("qemu-img", "qemu-io");
  }

  @TestFactory
  Stream<DynamicTest> printsTheSame() {
    return Corpus.recipes().stream()
        // Its raw file ends inside a sector: MessagesIT.rawSizeIsExact.
        .filter(recipe -> !recipe.name().equals("chain-raw-odd-bytes"))
        .map(recipe -> DynamicTest.dynamicTest(recipe.name(), () -> compare(recipe)));
  }

  private static void compare(Recipe recipe) {
    Path image = Corpus.image(recipe);
    Path folder = image.resolveSibling(".").normalize();
    // Its names hold control characters, which our texts escape: MessagesIT.
    boolean jsonOnly = recipe.name().equals("snapshots-names");
    for (List<String> command : COMMANDS) {
      if (jsonOnly && !command.contains("--output=json")) {
        continue;
      }
      String[] arguments =
          Stream.concat(command.stream(), Stream.of(image.getFileName().toString()))
              .toArray(String[]::new);
      Run.Result qemu = Cli.qemuImg(folder, arguments);
      Run.Result ours = Cli.asQemuImg(folder, arguments);
      assertThat(ours.out()).as("%s", ours.command()).isEqualTo(qemu.out());
      assertThat(ours.err()).as("%s", ours.command()).isEqualTo(qemu.err());
      assertThat(ours.exitCode()).as("%s", ours.command()).isEqualTo(qemu.exitCode());
    }
  }
}
