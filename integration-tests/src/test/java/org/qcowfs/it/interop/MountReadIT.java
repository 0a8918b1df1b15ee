package org.qcowfs.it.interop;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.qcowfs.it.corpus.Corpus;
import org.qcowfs.it.corpus.Oracle;
import org.qcowfs.it.corpus.View;
import org.qcowfs.it.support.HoleMap;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.TempImages;

/**
 * A real mount of every image of the corpus shows the disk, each snapshot and each layer as QEMU
 * does: size, holes, allocated blocks, every byte.
 */
class MountReadIT {
  @TestFactory
  Stream<DynamicContainer> showsWhatQemuDoes() {
    return Corpus.recipes().stream()
        .map(
            recipe ->
                DynamicContainer.dynamicContainer(
                    recipe.name(), Stream.of(recipe).map(Corpus::image).flatMap(this::testsOf)));
  }

  private Stream<DynamicTest> testsOf(Path image) {
    TempImages scratch = TempImages.create("mount");
    Mounted mounted;
    try {
      mounted = Mounted.mount(image, scratch.makeFolder("mnt"));
    } catch (AssertionError e) {
      scratch.close();
      throw e;
    }
    Stream<DynamicTest> views =
        Oracle.views(image).stream()
            .filter(MountReadIT::hasPlainName)
            .map(
                view ->
                    DynamicTest.dynamicTest(view.label(), () -> check(flat(mounted, view), view)));
    DynamicTest unmount =
        DynamicTest.dynamicTest(
            "unmount",
            () -> {
              try (scratch) {
                mounted.close();
              }
            });
    return Stream.concat(views, Stream.of(unmount));
  }

  /** Snapshots whose names are no file names are MountNamesIT's. */
  private static boolean hasPlainName(View view) {
    return view.kind() != View.Kind.SNAPSHOT || view.name().matches("[a-z0-9 ]+");
  }

  static Path flat(Mounted mounted, View view) {
    return switch (view.kind()) {
      case DISK -> mounted.disk();
      case SNAPSHOT -> mounted.snapshot(view.name());
      case LAYER -> mounted.layer(view.index());
    };
  }

  private static void check(Path flat, View view) {
    Compare.mounted(flat, view);
    long data = view.extents().dataBytes();
    assertThat(Compare.allocatedBytes(flat))
        .as("st_blocks * 512")
        .isBetween(data, (data + 511) / 512 * 512);
    if (view.kind() == View.Kind.DISK && view.size() % 512 == 0) {
      assertThat(HoleMap.ofQemuMap(QemuImg.map(flat, "raw")))
          .as("qemu-img map of the mounted raw disk")
          .isEqualTo(view.extents());
    }
  }
}
