package org.qcowfs.it.interop;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.qcowfs.it.corpus.Corpus;
import org.qcowfs.it.corpus.Oracle;
import org.qcowfs.it.corpus.View;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.Sha256;
import org.qcowfs.it.support.TempImages;

/** Snapshots whose names are no file names get names that are, and keep their contents. */
class MountNamesIT {
  private final Path image = Corpus.image("snapshots-names");

  @Test
  void everySnapshotHasAFolderWithAHarmlessName() throws Exception {
    List<View> snapshots =
        Oracle.views(image).stream().filter(v -> v.kind() == View.Kind.SNAPSHOT).toList();
    try (TempImages scratch = TempImages.create("names");
        Mounted mounted = Mounted.mount(image, scratch.makeFolder("mnt"));
        Stream<Path> entries = Files.list(mounted.point().resolve("snapshots"))) {
      List<Path> folders = entries.toList();
      assertThat(folders)
          .hasSameSizeAs(snapshots)
          .allSatisfy(
              folder ->
                  assertThat(String.valueOf(folder.getFileName()))
                      .doesNotMatch("(?s).*[\\p{Cntrl}/].*")
                      .isNotIn(".", ".."));
      assertThat(folders)
          .extracting(folder -> Sha256.ofFile(folder.resolve("disk.raw")))
          .containsExactlyInAnyOrderElementsOf(snapshots.stream().map(View::sha256).toList());
    }
  }
}
