package org.qcowfs.engine.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.model.OpenOptions;

/** Disks long enough that several threads compare them. */
class CompareTest {
  private static final int SIZE = 24 << 20;

  @TempDir Path folder;

  @Test
  void findsEachDifferenceWithItsWholeLength() throws Exception {
    Random random = new Random(20261121);
    byte[] one = new byte[SIZE];
    random.nextBytes(one);
    byte[] other = one.clone();
    List<Compare.Difference> expected = new ArrayList<>();
    // The last one is longer than any piece, and ends with the disk.
    int[][] ranges = {
      {0, 1}, {3, 1}, {9000, 700}, {12_000, 1}, {40_000, 3}, {SIZE / 512 - 2000, 2000}
    };
    for (int[] range : ranges) {
      for (int sector = range[0]; sector < range[0] + range[1]; sector++) {
        other[sector * 512 + random.nextInt(512)] ^= 1;
      }
      expected.add(new Compare.Difference(range[0] * 512L, range[1] * 512L));
    }
    Path a = Files.write(folder.resolve("a"), one);
    Path b = Files.write(folder.resolve("b"), other);
    try (Image first = open(a);
        Image second = open(b)) {
      assertThat(all(first, second)).isEqualTo(expected);
      assertThat(all(first, first)).isEmpty();
      assertThat(new Compare(first, second, (done, total) -> {}).first(4 << 20))
          .isEqualTo(9000 * 512L);
    }
  }

  @Test
  void whatIsBehindTheShorterEndIsComparedWithZeroes() throws Exception {
    byte[] bytes = new byte[SIZE];
    new Random(1).nextBytes(bytes);
    Path longer = Files.write(folder.resolve("longer"), bytes);
    Path shorter =
        Files.write(folder.resolve("shorter"), Arrays.copyOf(bytes, SIZE - (1 << 20) - 512));
    try (Image first = open(longer);
        Image second = open(shorter)) {
      assertThat(all(second, first))
          .containsExactly(new Compare.Difference(SIZE - (1 << 20) - 512, (1 << 20) + 512));
    }
  }

  @Test
  void aDifferenceBeforeWhatCannotBeReadIsFoundAndAfterItIsNot() throws Exception {
    byte[] bytes = new byte[SIZE];
    Arrays.fill(bytes, (byte) 7);
    Path a = Files.write(folder.resolve("a"), bytes);
    bytes[6 << 20] = 8;
    bytes[SIZE - 1] = 8;
    Path b = Files.write(folder.resolve("b"), bytes);
    try (Image first = open(a);
        Image second = open(b)) {
      try (RandomAccessFile cut = new RandomAccessFile(b.toFile(), "rw")) {
        cut.setLength(16 << 20);
      }
      Compare compare = new Compare(first, second, (done, total) -> {});
      assertThat(compare.first(0)).isEqualTo(6 << 20);
      Compare.ReadFault fault =
          catchThrowableOfType(Compare.ReadFault.class, () -> compare.first((6 << 20) + 512));
      assertThat(fault.isFirst()).isFalse();
      assertThat(fault.offset()).isEqualTo(16 << 20);
    }
  }

  private static Image open(Path path) throws Exception {
    return Images.open(path.toString(), OpenOptions.readOnly().withFormat("raw"));
  }

  private static List<Compare.Difference> all(Image one, Image other) throws Exception {
    List<Compare.Difference> found = new ArrayList<>();
    Compare compare = new Compare(one, other, (done, total) -> {});
    for (Compare.Difference at = compare.next(0); at != null; at = compare.next(at.end())) {
      found.add(at);
    }
    return found;
  }
}
