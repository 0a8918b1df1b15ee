package org.qcowfs.it.interop;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.it.corpus.View;
import org.qcowfs.it.support.HoleMap;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.Sha256;

/** Compares one view of an image with what QEMU says of it. */
final class Compare {
  private Compare() {}

  /** Through the engine: size, extents, bytes. */
  static void engine(Path image, View view) throws ImageException {
    try (Image opened = Images.open(image.toString(), OpenOptions.readOnly())) {
      Image mine = view.of(opened);
      assertThat(mine.size()).as("size").isEqualTo(view.size());
      assertThat(HoleMap.ofImage(mine)).as("extents").isEqualTo(view.extents());
      assertThat(mine.allocatedBytes()).as("allocated bytes").isEqualTo(view.extents().dataBytes());
      assertThat(Sha256.ofImage(mine, view.windows())).as("SHA-256").isEqualTo(view.sha256());
    }
  }

  /** Through a mounted flat file: size, extents, bytes. */
  static void mounted(Path flat, View view) {
    assertThat(flat.toFile().length()).as("size").isEqualTo(view.size());
    assertThat(HoleMap.ofFile(flat)).as("extents").isEqualTo(view.extents());
    assertThat(Sha256.ofFile(flat, view.windows())).as("SHA-256").isEqualTo(view.sha256());
  }

  /** What {@code stat} says the file occupies, in bytes. */
  static long allocatedBytes(Path file) {
    return Long.parseLong(Run.ok("stat", "-c", "%b", file.toString()).out().strip()) * 512;
  }
}
