package org.qcowfs.it.damaged;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.it.corpus.Patcher;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/** What is odd but harmless to a reader changes nothing: every byte reads as before. */
class ToleratedIT {
  private record Case(String name, Seed seed, Consumer<Patcher> damage) {}

  private final List<Case> cases = new ArrayList<>();

  private void add(String name, Consumer<Patcher> damage) {
    add(name, Seed.PLAIN, damage);
  }

  private void add(String name, Seed seed, Consumer<Patcher> damage) {
    cases.add(new Case(name, seed, damage));
  }

  @TestFactory
  Stream<DynamicTest> readsAsBefore() {
    refcounts();
    features();
    bitmaps();
    extensions();
    add("R14 a name's length without a name", p -> p.header("backing_file_size", 0xffffffffL));
    add("R29 COPIED missing in L2", p -> clear(p, p.l2Entry(5)));
    add("R29 COPIED missing in L1", p -> clear(p, p.l1Entry(0)));
    add("R29 COPIED set on a shared cluster", p -> set(p, p.l2Entry(700)));
    add("R31 COPIED on a compressed cluster", Seed.ZLIB, p -> set(p, p.l2Entry(1)));
    add(
        "R31 a compressed cluster said to be longer than it is",
        Seed.ZLIB,
        p -> p.u64(p.l2Entry(1), p.u64(p.l2Entry(1)) + (3L << 54)));
    add("R6 an L1 table longer than the disk needs", p -> p.header("l1_size", 100));
    return cases.stream().map(c -> DynamicTest.dynamicTest(c.name(), () -> check(c)));
  }

  private static void clear(Patcher p, long entry) {
    p.u64(entry, p.u64(entry) & ~Patcher.COPIED);
  }

  private static void set(Patcher p, long entry) {
    p.u64(entry, p.u64(entry) | Patcher.COPIED);
  }

  private void refcounts() {
    for (long value : new long[] {0, 512, 1L << 40, 1L << 62, -1}) {
      add(
          "R10 refcount block at " + Long.toHexString(value),
          p -> p.u64(p.header("refcount_table_offset"), value));
    }
    add(
        "R10 a refcount table that points to itself",
        p -> p.u64(p.header("refcount_table_offset"), p.header("refcount_table_offset")));
    add(
        "R10 two table entries for one block",
        p -> {
          long table = p.header("refcount_table_offset");
          p.u64(table + 8, p.u64(table));
        });
    add(
        "R10 all refcounts zero",
        p -> p.bytes(p.u64(p.header("refcount_table_offset")), new byte[4096]));
    add("R32 other refcount width than there is", p -> p.header("refcount_order", 6));
  }

  private void features() {
    for (int bit : new int[] {1, 17, 63}) {
      add("R21 unknown compatible bit " + bit, p -> p.header("compatible_features", 1L << bit));
      add("R22 unknown autoclear bit " + bit, p -> p.header("autoclear_features", 1L << bit));
    }
    add("R24 marked corrupt", p -> p.header("incompatible_features", 2));
    add("R25 marked dirty", p -> p.header("incompatible_features", 1));
  }

  private void bitmaps() {
    long type = 0x23852875L;
    add("R23 bitmaps bit cleared", Seed.BITMAP, p -> p.header("autoclear_features", 0));
    add("R23 bitmaps bit without the extension", p -> p.header("autoclear_features", 1));
    for (long count : new long[] {0, 70000, 0xffffffffL}) {
      add("R23 " + count + " bitmaps", Seed.BITMAP, p -> p.u32(p.extension(type), count));
    }
    add("R23 directory of 2^62 bytes", Seed.BITMAP, p -> p.u64(p.extension(type) + 8, 1L << 62));
    add("R23 directory past the end", Seed.BITMAP, p -> p.u64(p.extension(type) + 16, 1L << 40));
    add(
        "R23 bitmap table past the end",
        Seed.BITMAP,
        p -> p.u64(p.u64(p.extension(type) + 16), 1L << 40));
  }

  private void extensions() {
    add(
        "R33 an unknown extension",
        p -> {
          long at = p.header("header_length");
          p.u32(at, 0x12345678).u32(at + 4, 5).bytes(at + 8, new byte[] {1, 2, 3, 4, 5, 6, 7, 8});
          p.u64(at + 16, 0);
        });
    add(
        "R33 extensions up to the end of the cluster, without an END",
        p -> {
          long at = p.header("header_length");
          p.u32(at, 0x12345678).u32(at + 4, 4096 - at - 8);
        });
  }

  private static void check(Case c) throws Exception {
    try (TempImages scratch = TempImages.create("tolerated")) {
      Path image = c.seed().copyTo(scratch.folder());
      try (Patcher patcher = Patcher.open(image)) {
        c.damage().accept(patcher);
      }
      var before = Fingerprint.of(scratch.folder());
      assertTimeoutPreemptively(
          Run.PATIENCE, () -> assertThat(bytes(image)).isEqualTo(c.seed().truth()));
      assertThat(Fingerprint.of(scratch.folder())).as("the files").isEqualTo(before);
    }
  }

  private static byte[] bytes(Path image) throws Exception {
    try (Image opened = Images.open(image.toString(), OpenOptions.readOnly())) {
      DataBuffer buffer = DataBuffer.allocate((int) opened.size());
      opened.read(0, buffer, 0, buffer.capacity());
      byte[] bytes = new byte[buffer.capacity()];
      buffer.bytes().get(0, bytes);
      return bytes;
    }
  }

  @Test
  void r5AnEmptyDisk() throws Exception {
    try (TempImages scratch = TempImages.create("tolerated")) {
      Path image = Seed.PLAIN.copyTo(scratch.folder());
      try (Patcher patcher = Patcher.open(image)) {
        patcher.header("size", 0);
      }
      assertThat(bytes(image)).isEmpty();
    }
  }

  @Test
  void r5ASizeThatIsNoMultipleOfASector() throws Exception {
    try (TempImages scratch = TempImages.create("tolerated")) {
      Path image = Seed.PLAIN.copyTo(scratch.folder());
      int size = (int) Seed.DATA - 4096 - 123;
      try (Patcher patcher = Patcher.open(image)) {
        patcher.header("size", size);
      }
      assertThat(bytes(image)).isEqualTo(Arrays.copyOf(Seed.PLAIN.truth(), size));
    }
  }

  @Test
  void r36MetadataInHolesIsUnallocated() throws Exception {
    try (TempImages scratch = TempImages.create("tolerated")) {
      Path image = Seed.PLAIN.copyTo(scratch.folder());
      try (Patcher patcher = Patcher.open(image)) {
        patcher.bytes(patcher.l2Table(0), new byte[4096]);
      }
      byte[] wanted = Seed.PLAIN.truth();
      Arrays.fill(wanted, 0, 2 << 20, (byte) 0);
      assertThat(bytes(image)).isEqualTo(wanted);
    }
  }
}
