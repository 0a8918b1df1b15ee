package org.qcowfs.it.damaged;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.it.corpus.Patcher;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/**
 * Damage below the header stays where it is: reading the damaged range is an error with exactly the
 * given line, through the mount EIO; every other byte reads as before; the range is no hole.
 */
class LocalDamageIT {
  private static final int SECTOR = 512;

  /**
   * What a patch did.
   *
   * @param start first guest byte that cannot be read any more
   * @param end first guest byte after them
   * @param message what reading {@code start} must say
   */
  private record Damaged(long start, long end, String message) {}

  private record Case(String name, Seed seed, Function<Patcher, Damaged> damage) {}

  private final List<Case> cases = new ArrayList<>();

  private void add(String name, Seed seed, Function<Patcher, Damaged> damage) {
    cases.add(new Case(name, seed, damage));
  }

  @TestFactory
  Stream<DynamicTest> staysLocal() {
    l2Entries();
    l1Entries();
    extendedL2();
    compressed();
    truncated();
    return cases.stream().map(c -> DynamicTest.dynamicTest(c.name(), () -> check(c)));
  }

  /** Guest cluster 5 of 4 KiB. */
  private void l2Entry(String name, Function<Patcher, Long> value, String wrong) {
    l2Entry(name, Seed.PLAIN, value, wrong);
  }

  private void l2Entry(String name, Seed seed, Function<Patcher, Long> value, String wrong) {
    add(
        name,
        seed,
        p -> {
          long entry = p.l2Entry(5);
          long word = value.apply(p);
          p.u64(entry, word);
          return new Damaged(
              5 * 4096,
              6 * 4096,
              String.format("L2 entry at host offset 0x%x (guest offset 0x5000) ", entry)
                  + wrong
                      .replace("{word}", Long.toHexString(word))
                      .replace("{offset}", Long.toHexString(word & Patcher.OFFSET_MASK)));
        });
  }

  private void l2Entries() {
    String reserved = "is 0x{word}, with reserved bits set";
    String misaligned = "names host offset 0x{offset}, not on a cluster boundary";
    String metadata = "names host offset 0x{offset}, which is metadata";
    for (int bit : new int[] {1, 8, 56, 61}) {
      l2Entry("R27 L2 reserved bit " + bit, p -> p.u64(p.l2Entry(5)) | 1L << bit, reserved);
    }
    l2Entry("R27 L2 bit 0 in version 2", Seed.VERSION_2, p -> p.u64(p.l2Entry(5)) | 1, reserved);
    l2Entry("R27 L2 offset misaligned", p -> p.u64(p.l2Entry(5)) + 512, misaligned);
    l2Entry(
        "R27 zero cluster with a misaligned offset",
        p -> (p.u64(p.l2Entry(5)) | 1) + 512,
        misaligned);
    l2Entry("R27 L2 to the header", p -> Patcher.COPIED, "names host offset 0x0, the header");
    l2Entry("R27 L2 to the L1 table", p -> Patcher.COPIED | p.header("l1_table_offset"), metadata);
    l2Entry(
        "R27 L2 to the refcount table",
        p -> Patcher.COPIED | p.header("refcount_table_offset"),
        metadata);
    l2Entry(
        "R27 L2 to a refcount block",
        p -> Patcher.COPIED | p.u64(p.header("refcount_table_offset")),
        metadata);
    l2Entry(
        "R27 L2 to the snapshot table",
        p -> Patcher.COPIED | p.header("snapshots_offset"),
        metadata);
    l2Entry("R27 L2 to its own L2 table", p -> Patcher.COPIED | p.l2Table(0), metadata);
    for (long offset : new long[] {1L << 40, Patcher.OFFSET_MASK & -4096}) {
      add(
          "R27 L2 past the end of the file, " + Long.toHexString(offset),
          Seed.PLAIN,
          p -> {
            p.u64(p.l2Entry(5), Patcher.COPIED | offset);
            return pastTheEnd(5 * 4096, 6 * 4096, offset, p.length());
          });
    }
  }

  private static Damaged pastTheEnd(long start, long end, long hostOffset, long fileLength) {
    return new Damaged(
        start,
        end,
        String.format(
            "data of guest offset 0x%x is at host offset 0x%x, past the end of the file (%d bytes)",
            start, hostOffset, fileLength));
  }

  /** L1 entry 0: the first 2 MiB. */
  private void l1Entry(String name, Function<Patcher, Long> value, String wrong) {
    add(
        name,
        Seed.PLAIN,
        p -> {
          long entry = p.l1Entry(0);
          long word = value.apply(p);
          p.u64(entry, word);
          return new Damaged(
              0,
              2 << 20,
              String.format("L1 entry 0 at host offset 0x%x (guest offset 0x0) ", entry)
                  + wrong
                      .replace("{word}", Long.toHexString(word))
                      .replace("{offset}", Long.toHexString(word & Patcher.OFFSET_MASK)));
        });
  }

  private void l1Entries() {
    String metadata = "names an L2 table at 0x{offset}, which is other metadata";
    l1Entry(
        "R28 L1 reserved bits",
        p -> p.u64(p.l1Entry(0)) | 1 | 1L << 60,
        "is 0x{word}, with reserved bits set");
    l1Entry(
        "R28 L1 offset misaligned",
        p -> p.u64(p.l1Entry(0)) + 512,
        "names an L2 table at 0x{offset}, not on a cluster boundary");
    l1Entry("R28 L1 to the header", p -> Patcher.COPIED, "names an L2 table at 0x0, the header");
    l1Entry("R28 L1 to the L1 table", p -> Patcher.COPIED | p.header("l1_table_offset"), metadata);
    l1Entry(
        "R28 L1 to the refcount table",
        p -> Patcher.COPIED | p.header("refcount_table_offset"),
        metadata);
    add(
        "R28 L1 past the end of the file",
        Seed.PLAIN,
        p -> {
          p.u64(p.l1Entry(0), Patcher.COPIED | 1L << 40);
          return new Damaged(
              0,
              2 << 20,
              "L2 entry at host offset 0x10000000000 (guest offset 0x0) is past the end of the"
                  + " file");
        });
  }

  /** Guest cluster 3 of 16 KiB. */
  private void extendedEntry(String name, long word, long bitmap, String wrong) {
    add(
        name,
        Seed.EXTENDED_L2,
        p -> {
          long entry = p.l2Entry(3);
          p.u64(entry, word == -1 ? p.u64(entry) : word).u64(entry + 8, bitmap);
          return new Damaged(
              3 * 16384,
              4 * 16384,
              String.format("L2 entry at host offset 0x%x (guest offset 0xc000) %s", entry, wrong));
        });
  }

  private void extendedL2() {
    extendedEntry(
        "R30 subcluster both allocated and zero",
        -1,
        1L << 32 | 1,
        "has subcluster bitmap 0x100000001, with subclusters both allocated and zero");
    extendedEntry(
        "R30 subclusters allocated without a host offset",
        0,
        0xffff,
        "has subcluster bitmap 0xffff, with subclusters allocated but no host offset");
    extendedEntry(
        "R30 compressed cluster with a bitmap",
        Patcher.COMPRESSED | 0x50000,
        1,
        "is a compressed cluster with a subcluster bitmap");
    extendedEntry("R30 L2 to the header", Patcher.COPIED, 0, "names host offset 0x0, the header");
    add(
        "R30 zero flag in an extended entry",
        Seed.EXTENDED_L2,
        p -> {
          long entry = p.l2Entry(3);
          long word = p.u64(entry) | 1;
          p.u64(entry, word);
          return new Damaged(
              3 * 16384,
              4 * 16384,
              String.format(
                  "L2 entry at host offset 0x%x (guest offset 0xc000) is 0x%x, with reserved bits"
                      + " set",
                  entry, word));
        });
  }

  /** Guest cluster 2 of 64 KiB; {@code damage} gets the descriptor's host offset. */
  private void compressedCluster(String name, Seed seed, Damage damage, String wrong) {
    add(
        name,
        seed,
        p -> {
          long offset = p.u64(p.l2Entry(2)) & (1L << 54) - 1;
          long now = damage.apply(p, offset);
          return new Damaged(
              2 * 65536,
              3 * 65536,
              String.format(
                  "compressed cluster at host offset 0x%x (guest offset 0x20000): %s", now, wrong));
        });
  }

  /** Returns the host offset the descriptor names afterwards. */
  private interface Damage {
    long apply(Patcher patcher, long hostOffset);
  }

  private void compressed() {
    Damage noise =
        (p, offset) -> {
          byte[] ones = new byte[100];
          Arrays.fill(ones, (byte) 0xff);
          p.bytes(offset, ones);
          return offset;
        };
    Damage away =
        (p, offset) -> {
          p.u64(p.l2Entry(2), Patcher.COMPRESSED | 1L << 40);
          return 1L << 40;
        };
    compressedCluster(
        "R31 zlib: noise", Seed.ZLIB, noise, "deflate stream is damaged (invalid block type)");
    compressedCluster(
        "R31 zlib: past the end of the file", Seed.ZLIB, away, "is past the end of the file");
    compressedCluster(
        "R31 zlib: a stream that ends early",
        Seed.ZLIB,
        (p, offset) -> {
          p.bytes(offset, (byte) 0x03, (byte) 0); // one empty final block
          return offset;
        },
        "deflate stream ends after 0 bytes, expected 65536");
    compressedCluster(
        "R31 zstd: noise",
        Seed.ZSTD,
        noise,
        "zstd frame magic is 0xffffffff, expected 0xfd2fb528 after 0 bytes, expected 65536");
    compressedCluster(
        "R31 zstd: past the end of the file", Seed.ZSTD, away, "is past the end of the file");
    compressedCluster(
        "R31 zstd: a window of gigabytes",
        Seed.ZSTD,
        (p, offset) -> {
          p.bytes(offset + 4, (byte) 0, (byte) 0xa8);
          return offset;
        },
        "zstd window is 2147483648 bytes, expected at most 8388608 after 0 bytes, expected 65536");
    compressedCluster(
        "R31 zstd: a frame that wants a dictionary",
        Seed.ZSTD,
        (p, offset) -> {
          p.bytes(offset + 4, (byte) 0x23);
          return offset;
        },
        "zstd frame wants a dictionary, expected none after 0 bytes, expected 65536");
    compressedCluster(
        "R31 zstd: a skippable frame that reaches past the cluster's sectors",
        Seed.ZSTD,
        (p, offset) -> {
          p.bytes(offset, (byte) 0x50, (byte) 0x2a, (byte) 0x4d, (byte) 0x18);
          return offset;
        },
        "zstd stream is cut short after 0 bytes, expected 65536");
    add(
        "R27 compressed cluster with an external data file",
        Seed.DATA_FILE,
        p -> {
          long entry = p.l2Entry(5);
          p.u64(entry, Patcher.COMPRESSED | 0x5000);
          return new Damaged(
              5 * 4096,
              6 * 4096,
              String.format(
                  "L2 entry at host offset 0x%x (guest offset 0x5000) is a compressed cluster in an"
                      + " image with an external data file",
                  entry));
        });
  }

  private void truncated() {
    add(
        "R35 the file ends within the last data cluster",
        Seed.VERSION_2,
        p -> {
          long last = Seed.DATA / 4096 - 1;
          long offset = p.dataCluster(last);
          p.truncate(offset + 1024);
          return pastTheEnd(last * 4096 + 1024, Seed.DATA, offset + 1024, offset + 1024);
        });
  }

  private static void check(Case c) throws Exception {
    try (TempImages scratch = TempImages.create("local")) {
      Path image = c.seed().copyTo(scratch.folder());
      byte[] truth = c.seed().truth();
      Damaged damaged;
      try (Patcher patcher = Patcher.open(image)) {
        damaged = c.damage().apply(patcher);
      }
      Map<String, String> before = Fingerprint.of(scratch.folder());
      assertTimeoutPreemptively(Run.PATIENCE, () -> throughTheEngine(image, damaged, truth));
      assertTimeoutPreemptively(
          Run.PATIENCE, () -> throughTheMount(image, scratch.makeFolder("mnt"), damaged, truth));
      assertThat(Fingerprint.of(scratch.folder())).as("the files").isEqualTo(before);
    }
  }

  private static void throughTheEngine(Path image, Damaged damaged, byte[] truth)
      throws ImageException {
    try (Image opened = Images.open(image.toString(), OpenOptions.readOnly())) {
      DataBuffer buffer = DataBuffer.allocate(SECTOR);
      byte[] got = new byte[SECTOR];
      for (long at = 0; at < truth.length; at += SECTOR) {
        long offset = at;
        if (at >= damaged.start() && at < damaged.end()) {
          Throwable thrown = catchThrowable(() -> opened.read(offset, buffer, 0, SECTOR));
          assertThat(thrown)
              .as("guest offset 0x%x", at)
              .isInstanceOfSatisfying(
                  ImageException.class, e -> assertThat(e.kind()).isEqualTo(ErrorKind.CORRUPT));
          if (at == damaged.start()) {
            assertThat(thrown).hasMessage(image + ": " + damaged.message());
          }
        } else {
          opened.read(at, buffer, 0, SECTOR);
          buffer.bytes().get(0, got);
          assertThat(Arrays.equals(got, 0, SECTOR, truth, (int) at, (int) at + SECTOR))
              .as("guest offset 0x%x is what it was", at)
              .isTrue();
        }
      }
      assertThat(opened.nextData(damaged.start()))
          .as("a damaged range is no hole")
          .isEqualTo(damaged.start());
      // A read that begins before the damage and one over everything fail as well.
      DataBuffer all = DataBuffer.allocate(truth.length);
      assertThat(catchThrowable(() -> opened.read(0, all, 0, truth.length)))
          .isInstanceOf(ImageException.class);
    }
  }

  private static void throughTheMount(Path image, Path point, Damaged damaged, byte[] truth)
      throws IOException {
    try (Mounted mounted = Mounted.mount(image, point);
        RandomAccessFile disk = new RandomAccessFile(mounted.disk().toFile(), "r")) {
      byte[] got = new byte[SECTOR];
      for (long at = 0; at < truth.length; at += 8 * SECTOR) {
        disk.seek(at);
        if (at >= damaged.start() && at < damaged.end()) {
          assertThat(catchThrowable(() -> disk.readFully(got)))
              .as("guest offset 0x%x", at)
              .hasMessageContaining("Input/output error");
        } else if (at + 4096 <= damaged.start() || at >= damaged.end()) {
          disk.readFully(got);
          assertThat(Arrays.equals(got, 0, SECTOR, truth, (int) at, (int) at + SECTOR))
              .as("guest offset 0x%x is what it was", at)
              .isTrue();
        }
      }
    }
  }
}
