package org.qcowfs.it.interop;

import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.qcowfs.it.corpus.Corpus;
import org.qcowfs.it.corpus.Oracle;

/** The engine reads every image of the corpus, each snapshot and each layer, as QEMU does. */
class EngineReadIT {
  @TestFactory
  Stream<DynamicContainer> readsAsQemuDoes() {
    return Corpus.recipes().stream()
        .map(
            recipe ->
                DynamicContainer.dynamicContainer(
                    recipe.name(),
                    // Lazily: the image is made, and QEMU asked, when its turn comes.
                    Stream.of(recipe).map(Corpus::image).flatMap(EngineReadIT::testsOf)));
  }

  private static Stream<DynamicTest> testsOf(Path image) {
    return Oracle.views(image).stream()
        .map(view -> DynamicTest.dynamicTest(view.label(), () -> Compare.engine(image, view)));
  }
}
