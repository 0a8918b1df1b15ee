package org.qcowfs.it.interop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.it.corpus.Corpus;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.Sha256;
import org.qcowfs.it.support.TempImages;

/** A busy mount changes nothing of the image or of any layer: not a byte, not a date. */
class ReadOnlyProofIT {
  @ParameterizedTest
  @ValueSource(
      strings = {
        "snapshots-over-chain",
        "data-file-chain",
        "chain-cluster-sizes",
        "lazy-dirty",
        "bitmaps"
      })
  void aBusyMountLeavesEveryLayerAsItWas(String recipe) throws Exception {
    Path image = Corpus.image(recipe);
    Path folder = image.resolveSibling(".");
    Map<String, String> before = states(folder);
    try (TempImages scratch = TempImages.create("proof");
        Mounted mounted = Mounted.mount(image, scratch.makeFolder("mnt"))) {
      try (Stream<Path> all = Files.walk(mounted.point())) {
        for (Path file : all.filter(Files::isRegularFile).toList()) {
          Run.ok("cp", "--sparse=auto", file.toString(), scratch.path("copy").toString());
        }
      }
      for (OpenOption mode :
          new OpenOption[] {StandardOpenOption.WRITE, StandardOpenOption.APPEND}) {
        assertThatThrownBy(() -> Files.newOutputStream(mounted.disk(), mode).close())
            .hasMessageContaining("Read-only file system");
      }
      assertThatThrownBy(() -> Files.createFile(mounted.point().resolve("new")))
          .hasMessageContaining("Read-only file system");
      assertThatThrownBy(() -> Files.delete(mounted.disk()))
          .hasMessageContaining("Read-only file system");
      Run.run(Run.PATIENCE, List.of("touch", mounted.disk().toString()));
      assertThat(states(folder)).as("while mounted").isEqualTo(before);
    }
    assertThat(states(folder)).as("after the mount").isEqualTo(before);
  }

  /** Hash, length and dates of each file of a folder. */
  private static Map<String, String> states(Path folder) {
    Map<String, String> states = new TreeMap<>();
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        String dates = Run.ok("stat", "-c", "%s %y %z %i", file.toString()).out().strip();
        states.put(file.toString(), dates + " " + Sha256.ofFile(file));
      }
      return states;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
