package org.qcowfs.it.damaged;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.ImageCheck;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.qcow2.check.CheckExtras;
import org.qcowfs.engine.qcow2.check.CheckResult;
import org.qcowfs.it.corpus.Patcher;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/**
 * The write side: a damaged image that is opened for writing is refused and untouched, or a write
 * into the damaged place is refused and the image marked corrupt, or the damage does not matter and
 * what is written is there. In each case at once and with little memory.
 */
class WrittenDamageIT {
  /** Guest cluster 5 of 4 KiB. */
  private static final int PLACE = 5 * 4096;

  private static final Duration LIMIT = Duration.ofSeconds(1);
  private static final long MOST_BYTES = 16L << 20;

  private enum End {
    /** Opening is refused; the file is as before. */
    REFUSED,
    /** Opened; the write is refused, and nothing but the corrupt bit has changed. */
    MARKED,
    /** Opened; the write fails, and the image is not marked. */
    FAILED,
    /** Written, and there. */
    WRITTEN
  }

  private record Case(String name, Seed seed, Consumer<Patcher> damage, End end, String message) {}

  private final List<Case> cases = new ArrayList<>();

  private void add(String name, Seed seed, End end, String message, Consumer<Patcher> damage) {
    cases.add(new Case(name, seed, damage, end, message));
  }

  private void add(String name, End end, String message, Consumer<Patcher> damage) {
    add(name, Seed.PLAIN, end, message, damage);
  }

  @TestFactory
  Stream<DynamicTest> writing() {
    refcounts();
    features();
    snapshots();
    mapping();
    return cases.stream().map(c -> DynamicTest.dynamicTest(c.name(), () -> check(c)));
  }

  private void refcounts() {
    add(
        "R10 refcount block misaligned",
        End.REFUSED,
        "refcount table entry 0 names a block at 0x2200, not a cluster of the file; repair the image before writing to it",
        p -> block(p, p.u64(table(p)) + 512));
    add(
        "R10 refcount block past the end",
        End.REFUSED,
        "refcount table entry 0 names a block at 0x10000000000, not a cluster of the file; repair the image before writing to it",
        p -> block(p, 1L << 40));
    add(
        "R10 refcount block beyond 2^63",
        End.REFUSED,
        "refcount table entry 0 names a block at 0xfffffffffffff000, not a cluster of the file; repair the image before writing to it",
        p -> block(p, -4096));
    add(
        "R10 refcount table names itself",
        End.REFUSED,
        "refcount table entry 0 names a block at 0x1000, which is other metadata; repair the image before writing to it",
        p -> block(p, table(p)));
    add(
        "R10 one block twice",
        End.REFUSED,
        "refcount table entry 1 names a block at 0x2000, which is other metadata; repair the image before writing to it",
        p -> p.u64(table(p) + 8, p.u64(table(p))));
    add(
        "R10 no refcount block",
        End.REFUSED,
        "the refcount of the header at host offset 0x0 is 0; repair the image before writing to it",
        p -> block(p, 0));
    add(
        "R10 R36 all refcounts zero",
        End.REFUSED,
        "the refcount of the header at host offset 0x0 is 0; repair the image before writing to it",
        p -> p.bytes(p.u64(table(p)), new byte[4096]));
    add(
        "R32 other refcount width than there is",
        End.MARKED,
        "the refcount of the L2 table at host offset 0x308000 is 0; repair the image",
        p -> p.header("refcount_order", 6));
  }

  private static long table(Patcher p) {
    return p.header("refcount_table_offset");
  }

  private static void block(Patcher p, long offset) {
    p.u64(table(p), offset);
  }

  private void features() {
    add(
        "R21 unknown compatible bit",
        End.WRITTEN,
        "",
        p -> p.header("compatible_features", 1 << 9));
    add("R22 unknown autoclear bit", End.WRITTEN, "", p -> p.header("autoclear_features", 1 << 9));
    add(
        "R22 unknown autoclear bit of an image that is refused",
        End.REFUSED,
        "qcow2: Image is corrupt; cannot be opened read/write",
        p -> p.header("autoclear_features", 1 << 9).header("incompatible_features", 2));
    add(
        "R23 bitmaps",
        Seed.BITMAP,
        End.REFUSED,
        "Image has persistent dirty bitmaps, which writing would make stale; write to an overlay instead, or remove them",
        p -> {});
    add(
        "R24 marked corrupt",
        End.REFUSED,
        "qcow2: Image is corrupt; cannot be opened read/write",
        p -> p.header("incompatible_features", 2));
    add("R25 marked dirty", End.WRITTEN, "", p -> p.header("incompatible_features", 1));
    add(
        "R14 a name's length without a name",
        End.WRITTEN,
        "",
        p -> p.header("backing_file_size", -1));
  }

  private void snapshots() {
    add("R11 65537 snapshots", End.WRITTEN, "", p -> p.header("nb_snapshots", 65537));
    add(
        "R13 snapshot L1 table past the end",
        End.REFUSED,
        "snapshot L1 table of 16 bytes at host offset 0x10000000000 is not inside the file (3248128 bytes); repair the image before writing to it",
        p -> p.u64(entry(p), 1L << 40));
    add(
        "R13 snapshot L1 table beyond 2^63",
        End.REFUSED,
        "snapshot L1 table of 16 bytes at host offset 0xfffffffffffff000 is not inside the file (3248128 bytes); repair the image before writing to it",
        p -> p.u64(entry(p), -4096));
    add(
        "R13 snapshot L1 table too large",
        End.REFUSED,
        "the L1 table of snapshot table entry 0 has 2147483647 entries, expected at most 4194304; repair the image before writing to it",
        p -> p.u32(entry(p) + 8, 0x7fffffff));
  }

  /** The header would say what no header may, and nobody could open the image again. */
  @ParameterizedTest
  @ValueSource(longs = {-1, Long.MIN_VALUE + 512, Long.MAX_VALUE - 511, 1L << 43 | 512})
  void aSnapshotOfASizeNoDiskHasIsNotApplied(long size) throws Exception {
    try (TempImages scratch = TempImages.create("applied")) {
      Path image = Seed.PLAIN.copyTo(scratch.folder());
      try (Patcher patcher = Patcher.open(image)) {
        patcher.u64(entry(patcher) + 48, size);
      }
      var before = Fingerprint.of(scratch.folder());
      Run.Result refused = CliRun.run("snapshot", "-a", "snap", image.toString());
      assertThat(refused.exitCode()).isEqualTo(1);
      assertThat(refused.err())
          .isEqualTo(
              "qcowfs: Could not apply snapshot 'snap': snapshot table entry 0 has a disk size of "
                  + Long.toUnsignedString(size)
                  + " bytes; expected what an L1 table of at most 4194304 entries maps\n");
      assertThat(Fingerprint.of(scratch.folder())).isEqualTo(before);
    }
  }

  private static long entry(Patcher p) {
    return p.header("snapshots_offset");
  }

  private void mapping() {
    add(
        "R27 L2 reserved bit",
        End.MARKED,
        "L2 entry of guest offset 0x5000 is 0x100000000000a000, not writable; repair the image",
        p -> l2(p, p.u64(p.l2Entry(5)) | 1L << 60));
    add(
        "R27 L2 offset misaligned",
        End.MARKED,
        "L2 entry of guest offset 0x5000 is 0xa200, not writable; repair the image",
        p -> l2(p, p.u64(p.l2Entry(5)) + 512));
    add(
        "R27 L2 to the header",
        End.FAILED,
        "L2 entry at host offset 0x308028 (guest offset 0x5800) names host offset 0x0, the header",
        p -> l2(p, Patcher.COPIED));
    add(
        "R27 L2 to the L1 table",
        End.MARKED,
        "refused to write 2048 bytes of guest data at host offset 0x3000, which holds metadata",
        p -> l2(p, Patcher.COPIED | p.header("l1_table_offset")));
    add(
        "R27 L2 to its own L2 table",
        End.MARKED,
        "refused to write 2048 bytes of guest data at host offset 0x308000, which holds metadata",
        p -> l2(p, Patcher.COPIED | p.l2Table(0)));
    add(
        "R27 L2 to the refcount table",
        End.MARKED,
        "refused to write 2048 bytes of guest data at host offset 0x1000, which holds metadata",
        p -> l2(p, Patcher.COPIED | table(p)));
    add(
        "R27 L2 past the end",
        End.MARKED,
        "refused to write 2048 bytes of guest data at host offset 0x10000000000, past the end of the file (3248128 bytes)",
        p -> l2(p, Patcher.COPIED | 1L << 40));
    add(
        "R28 L1 reserved bits",
        End.REFUSED,
        "L1 entry 0 is 0x8000000000308001, with reserved bits set; repair the image before writing to it",
        p -> l1(p, p.u64(p.l1Entry(0)) | 1));
    add(
        "R28 L1 offset misaligned",
        End.REFUSED,
        "L1 entry 0 is 0x8000000000308200, not on a cluster boundary; repair the image before writing to it",
        p -> l1(p, p.u64(p.l1Entry(0)) + 512));
    add(
        "R28 L1 to the L1 table",
        End.REFUSED,
        "L1 entry 0 is 0x8000000000003000, which is other metadata; repair the image before writing to it",
        p -> l1(p, Patcher.COPIED | p.header("l1_table_offset")));
    add(
        "R28 L1 past the end",
        End.REFUSED,
        "L1 entry 0 is 0x8000010000000000, past the end of the file (3248128 bytes); repair the image before writing to it",
        p -> l1(p, Patcher.COPIED | 1L << 40));
    add(
        "R28 one L2 table twice",
        End.REFUSED,
        "L1 entry 1 is 0x8000000000308000, which is other metadata; repair the image before writing to it",
        p -> p.u64(p.l1Entry(1), p.u64(p.l1Entry(0))));
    add(
        "R28 an L2 table that the file ends within",
        End.MARKED,
        "L2 table at host offset 0x319000 is past the end of the file",
        p -> {
          long end = (p.length() + 4095) / 4096 * 4096;
          p.bytes(end, p.readBytes(p.l2Table(0), 64));
          l1(p, Patcher.COPIED | end);
        });
    add(
        "R29 COPIED missing in L2",
        End.WRITTEN,
        "",
        p -> l2(p, p.u64(p.l2Entry(5)) & ~Patcher.COPIED));
    add(
        "R29 COPIED missing in L1",
        End.WRITTEN,
        "",
        p -> l1(p, p.u64(p.l1Entry(0)) & ~Patcher.COPIED));
    add(
        "R29 COPIED set on a shared cluster",
        End.WRITTEN,
        "",
        p -> l2(p, p.u64(p.l2Entry(5)) | Patcher.COPIED));
    add(
        "R30 subclusters both allocated and zero",
        Seed.EXTENDED_L2,
        End.FAILED,
        "L2 entry at host offset 0x10010 (guest offset 0x5000) has subcluster bitmap 0xffffffffffffffff, with subclusters both allocated and zero",
        p -> p.u64(p.l2Entry(1) + 8, -1));
    add(
        "R31 zlib: noise",
        Seed.ZLIB,
        End.FAILED,
        "compressed cluster at host offset 0x50000 (guest offset 0x0): deflate stream is damaged (invalid block type)",
        p -> {
          byte[] noise = new byte[512];
          Arrays.fill(noise, (byte) 0xff);
          long entry = p.u64(p.l2Entry(0));
          p.bytes(entry & (1L << 54) - 1, noise);
        });
    add(
        "R31 zlib: past the end of the file",
        Seed.ZLIB,
        End.FAILED,
        "compressed cluster at host offset 0x10000000000 (guest offset 0x0): is past the end of the file",
        p -> p.u64(p.l2Entry(0), 1L << 62 | 1L << 40));
  }

  private static void l2(Patcher p, long value) {
    p.u64(p.l2Entry(5), value);
  }

  private static void l1(Patcher p, long value) {
    p.u64(p.l1Entry(0), value);
  }

  private static void check(Case c) throws Exception {
    try (TempImages scratch = TempImages.create("written")) {
      Path image = c.seed().copyTo(scratch.folder());
      try (Patcher patcher = Patcher.open(image)) {
        c.damage().accept(patcher);
      }
      var before = Fingerprint.of(scratch.folder());
      long corruptions = corruptions(image);
      Outcome outcome = assertTimeoutPreemptively(Run.PATIENCE, () -> write(image));
      String message =
          outcome.thrown() == null ? "" : String.valueOf(outcome.thrown().getMessage());
      if (outcome.thrown() != null) {
        assertThat(outcome.thrown()).isInstanceOf(ImageException.class);
        assertThat(message).isEqualTo(image + ": " + c.message());
      }
      assertThat(outcome.took()).as("CPU time").isLessThan(LIMIT);
      assertThat(outcome.bytes()).as("bytes allocated").isLessThan(MOST_BYTES);
      assertThat(corruptions(image)).as("corruptions").isLessThanOrEqualTo(corruptions);
      assertThat(outcome.end(image)).isEqualTo(c.end());
      if (c.end() == End.REFUSED) {
        assertThat(Fingerprint.of(scratch.folder())).as("the files").isEqualTo(before);
      }
    }
  }

  private record Outcome(boolean opened, @Nullable Throwable thrown, Duration took, long bytes) {
    End end(Path image) {
      return thrown == null
          ? End.WRITTEN
          : !opened ? End.REFUSED : corruptBit(image) ? End.MARKED : End.FAILED;
    }
  }

  private static boolean corruptBit(Path image) {
    try (Patcher p = Patcher.open(image)) {
      return p.header("version") >= 3 && (p.header("incompatible_features") & 2) != 0;
    }
  }

  private static long corruptions(Path image) throws ImageException {
    CheckResult result =
        ImageCheck.run(
                image.toString(), null, CheckExtras.NONE, OpenOptions.readOnly(), finding -> {})
            .result();
    return result == null || result.failure() != null ? Long.MAX_VALUE : result.corruptions();
  }

  /** Writes half a cluster, flushes, closes, and reads it back. */
  private static Outcome write(Path image) {
    DataBuffer data = DataBuffer.allocate(2048);
    for (int i = 0; i < data.capacity(); i++) {
      data.bytes().put(i, (byte) (i % 251));
    }
    OpenOptions options = OpenOptions.readOnly();
    boolean opened = false;
    Throwable thrown = null;
    long allocated = RefusedIT.allocatedBytes();
    long start = RefusedIT.cpuNanos();
    try (Image disk = Images.open(image.toString(), options.withWritable(true))) {
      opened = true;
      disk.write(PLACE, data, 0, data.capacity());
      disk.flush();
    } catch (Exception e) {
      thrown = e;
    }
    Duration took = Duration.ofNanos(RefusedIT.cpuNanos() - start);
    long bytes = RefusedIT.allocatedBytes() - allocated;
    if (thrown == null) {
      try (Image disk = Images.open(image.toString(), options)) {
        DataBuffer now = DataBuffer.allocate(data.capacity());
        disk.read(PLACE, now, 0, now.capacity());
        assertThat(now.bytes()).isEqualTo(data.bytes());
      } catch (ImageException e) {
        thrown = e;
      }
    }
    return new Outcome(opened, thrown, took, bytes);
  }
}
