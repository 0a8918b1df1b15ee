package org.qcowfs.it.damaged;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.model.SnapshotInfo;
import org.qcowfs.it.corpus.Patcher;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/** A damaged snapshot table, or a damaged snapshot, costs that much and no more. */
class SnapshotDamageIT {
  private record Case(String name, int snapshots, Function<Patcher, String> damage) {}

  private final List<Case> cases = new ArrayList<>();

  /** After {@code damage}, {@code snapshots} are left and opening warns with what it returns. */
  private void add(String name, int snapshots, Function<Patcher, String> damage) {
    cases.add(new Case(name, snapshots, damage));
  }

  /** The disk itself opens and reads in full; the table is used as far as it can be read. */
  @TestFactory
  Stream<DynamicTest> theDiskStaysReadable() {
    for (long count : new long[] {65537, 0xffffffffL}) {
      add(
          "R11 nb_snapshots " + count,
          0,
          p -> {
            p.header("nb_snapshots", count);
            return "Snapshot table too large (header, nb_snapshots at 0x3c is "
                + count
                + "; expected at most 65536)";
          });
    }
    add(
        "R11 more snapshots than there are",
        1,
        p -> {
          p.header("nb_snapshots", 5).header("snapshots_offset", moveTableToTheEnd(p));
          return "snapshot table entry 1 is past the end of the file";
        });
    add(
        "R11 table misaligned",
        0,
        p -> {
          long offset = p.header("snapshots_offset") + 8;
          p.header("snapshots_offset", offset);
          return String.format(
              "Snapshot table offset invalid (header, snapshots_offset at 0x40 is 0x%x; expected a"
                  + " multiple of the cluster size 4096)",
              offset);
        });
    add(
        "R11 table past the end of the file",
        0,
        p -> {
          p.header("snapshots_offset", 1L << 40);
          return "snapshot table entry 0 is past the end of the file";
        });
    for (long extra : new long[] {1L << 31, 0xffffffffL}) {
      add(
          "R12 extra data of " + extra + " bytes",
          0,
          p -> {
            p.u32(p.header("snapshots_offset") + 36, extra);
            return "snapshot table entry 0 reaches past the largest table of 67108864 bytes (extra"
                + " data size at 0x24 is "
                + extra
                + ")";
          });
    }
    add(
        "R12 a name that runs past the end of the file",
        0,
        p -> {
          long table = moveTableToTheEnd(p);
          p.header("snapshots_offset", table).u16(table + 14, 65535);
          return "snapshot table entry 0 is incomplete: the file ends within it";
        });
    return cases.stream().map(c -> DynamicTest.dynamicTest(c.name(), () -> check(c)));
  }

  /** Makes the one entry of the table the last bytes of the file; returns its host offset. */
  private static long moveTableToTheEnd(Patcher p) {
    long table = p.header("snapshots_offset");
    int length = 40 + (int) p.u32(table + 36) + (int) p.u16(table + 12) + (int) p.u16(table + 14);
    byte[] entry = p.readBytes(table, (length + 7) / 8 * 8);
    long end = (p.length() + 4095) / 4096 * 4096;
    p.bytes(end, entry);
    return end;
  }

  private static void check(Case c) throws Exception {
    try (TempImages scratch = TempImages.create("snapshot")) {
      Path image = Seed.PLAIN.copyTo(scratch.folder());
      String wanted;
      try (Patcher patcher = Patcher.open(image)) {
        wanted = c.damage().apply(patcher);
      }
      var before = Fingerprint.of(scratch.folder());
      List<String> warnings = new ArrayList<>();
      long allocated = RefusedIT.allocatedBytes();
      OpenOptions options = OpenOptions.readOnly().withWarnings(warnings::add);
      assertTimeoutPreemptively(
          Run.PATIENCE,
          () -> {
            try (Image opened = Images.open(image.toString(), options)) {
              assertThat(opened.snapshots()).hasSize(c.snapshots());
              assertThat(bytes(opened)).isEqualTo(Seed.PLAIN.truth());
            }
          });
      assertThat(warnings).containsExactly(image + ": " + wanted);
      assertThat(RefusedIT.allocatedBytes() - allocated).isLessThan(64L << 20);
      assertThat(Fingerprint.of(scratch.folder())).as("the files").isEqualTo(before);
    }
  }

  private static byte[] bytes(Image image) throws ImageException {
    DataBuffer buffer = DataBuffer.allocate((int) image.size());
    image.read(0, buffer, 0, buffer.capacity());
    byte[] bytes = new byte[buffer.capacity()];
    buffer.bytes().get(0, bytes);
    return bytes;
  }

  @Test
  void r13L1TableMisaligned() throws Exception {
    snapshotIsLost(
        p -> p.u64(p.header("snapshots_offset"), p.u64(p.header("snapshots_offset")) + 512),
        "L1 table offset invalid (0x%x; expected a multiple of the cluster size 4096 inside the"
            + " file)");
  }

  @Test
  void r13L1TablePastTheEndOfTheFile() throws Exception {
    snapshotIsLost(
        p -> p.u64(p.header("snapshots_offset"), 1L << 40),
        "L1 table offset invalid (0x%x; expected a multiple of the cluster size 4096 inside the"
            + " file)");
  }

  @Test
  void r13L1TableTooLarge() throws Exception {
    snapshotIsLost(
        p -> p.u32(p.header("snapshots_offset") + 8, 0x7fffffff),
        "L1 table too large (l1_size is 2147483647; expected at most 4194304)");
  }

  @Test
  void r13DiskSizeOf2To63() throws Exception {
    snapshotIsLost(
        p -> p.u64(p.header("snapshots_offset") + 48, 1L << 63),
        "disk size is 9223372036854775808 bytes");
  }

  /** That snapshot cannot be opened, and says why; the disk and the mount are as before. */
  private static void snapshotIsLost(Consumer<Patcher> damage, String wanted) throws Exception {
    try (TempImages scratch = TempImages.create("snapshot")) {
      Path image = Seed.PLAIN.copyTo(scratch.folder());
      try (Patcher patcher = Patcher.open(image)) {
        damage.accept(patcher);
      }
      try (Image opened = Images.open(image.toString(), OpenOptions.readOnly())) {
        SnapshotInfo snapshot = opened.snapshots().get(0);
        assertThatThrownBy(() -> opened.snapshot(snapshot))
            .isInstanceOf(ImageException.class)
            .hasMessage(
                image + ": snapshot table entry 0: " + String.format(wanted, snapshot.l1Offset()));
        assertThat(bytes(opened)).isEqualTo(Seed.PLAIN.truth());
      }
      try (Mounted mounted = Mounted.mount(image, scratch.makeFolder("mnt"))) {
        assertThat(Files.readAllBytes(mounted.disk())).isEqualTo(Seed.PLAIN.truth());
        assertThatThrownBy(() -> Files.readAllBytes(mounted.snapshot("snap")))
            .hasMessageContaining("Input/output error");
        try (Stream<Path> entries = Files.list(mounted.point())) {
          assertThat(entries).isNotEmpty();
        }
      }
    }
  }

  @Test
  void r12NamesOfAnyBytesAreKeptAndShownHarmlessly() throws Exception {
    for (byte[] name :
        new byte[][] {
          {(byte) 0xff, (byte) 0xfe, 'x', 'y'},
          "..\0/".getBytes(StandardCharsets.ISO_8859_1),
          "\033[2J".getBytes(StandardCharsets.ISO_8859_1),
          "a\nb/".getBytes(StandardCharsets.ISO_8859_1)
        }) {
      try (TempImages scratch = TempImages.create("snapshot")) {
        Path image = Seed.PLAIN.copyTo(scratch.folder());
        try (Patcher p = Patcher.open(image)) {
          long table = p.header("snapshots_offset");
          p.bytes(table + 40 + p.u32(table + 36) + p.u16(table + 12), name); // over "snap"
        }
        try (Mounted mounted = Mounted.mount(image, scratch.makeFolder("mnt"));
            Stream<Path> entries = Files.list(mounted.point().resolve("snapshots"))) {
          assertThat(entries)
              .singleElement()
              .satisfies(
                  folder -> {
                    assertThat(String.valueOf(folder.getFileName()))
                        .doesNotMatch("(?s).*[\\p{Cntrl}/].*")
                        .isNotIn(".", "..", "");
                    assertThat(Files.size(folder.resolve("disk.raw"))).isEqualTo(Seed.SIZE);
                  });
        }
      }
    }
  }
}
