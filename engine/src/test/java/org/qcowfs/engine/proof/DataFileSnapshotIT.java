package org.qcowfs.engine.proof;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import org.junit.jupiter.api.Test;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;

/** Clusters of an external data file have no refcounts, so a snapshot could not keep them. */
class DataFileSnapshotIT {
  @Test
  void snapshotsAreRefused() throws Exception {
    try (Templates templates = new Templates()) {
      Template template =
          templates.make(Shape.plain(16, 1 << 20).withDataFile(Shape.DataFile.OTHER), 1);
      try (Image image = Images.open(template.path(), CrashSequence.WRITABLE)) {
        assertThatExceptionOfType(ImageException.class)
            .isThrownBy(() -> image.createSnapshot("one"))
            .satisfies(e -> assertThat(e.kind()).isEqualTo(ErrorKind.UNSUPPORTED));
        assertThat(image.snapshots()).isEmpty();
      }
    }
  }
}
