package org.qcowfs.it.write;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.qcowfs.it.support.TempImages;
import org.qcowfs.it.write.Exerciser.Work;

/**
 * The exerciser finds nothing wrong with a plain file, and finds what is wrong with a spoilt one.
 */
class ExerciserTest {
  private static final Set<Work> ALL = EnumSet.allOf(Work.class);
  private Path file = Path.of("unset");

  @BeforeEach
  void makeFile() throws Exception {
    file = Files.createTempFile(TempImages.work(), "exerciser-", ".raw");
    file.toFile().deleteOnExit();
    try (RandomAccessFile f = new RandomAccessFile(file.toFile(), "rw")) {
      f.setLength(4 << 20);
    }
  }

  @Test
  void aPlainFilePasses() throws Exception {
    try (Exerciser exerciser = new Exerciser(file, 1, ALL)) {
      exerciser.run(3000);
      assertThat(exerciser.done()).isEqualTo(3000);
    }
  }

  @Test
  void aByteThatChangesByItselfIsNoticed() throws Exception {
    try (Exerciser exerciser = new Exerciser(file, 2, ALL)) {
      exerciser.run(200);
      try (RandomAccessFile f = new RandomAccessFile(file.toFile(), "rw")) {
        f.seek(3_000_000);
        int old = f.read();
        f.seek(3_000_000);
        f.write(old + 1);
      }
      assertThatThrownBy(() -> exerciser.run(0))
          .isInstanceOf(AssertionError.class)
          .hasMessageContaining("0x2dc6c0");
    }
  }
}
