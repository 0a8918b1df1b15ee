package org.qcowfs.it.damaged;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import com.sun.management.ThreadMXBean;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.it.corpus.Patcher;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/**
 * What contradicts the format is refused: an {@link ImageException} with exactly the given line, in
 * less than a second of work, with bounded memory, and the file stays as it was, opened for reading
 * and for writing alike.
 */
class RefusedIT {
  /** Far below the smallest size the patched fields ask for. */
  private static final long MOST_BYTES = 8L << 20;

  private record Case(String name, Seed seed, Function<Patcher, String> damage) {}

  private final List<Case> cases = new ArrayList<>();

  private void add(String name, Function<Patcher, String> damage) {
    add(name, Seed.PLAIN, damage);
  }

  private void add(String name, Seed seed, Function<Patcher, String> damage) {
    cases.add(new Case(name, seed, damage));
  }

  @TestFactory
  Stream<DynamicTest> refuses() {
    truncated();
    versionsAndClusters();
    headerLength();
    virtualSize();
    l1Table();
    refcounts();
    backingName();
    features();
    compression();
    extensions();
    encryption();
    return cases.stream().map(c -> DynamicTest.dynamicTest(c.name(), () -> check(c)));
  }

  private void truncated() {
    add(
        "R1 empty file",
        p -> {
          p.truncate(0);
          return "Image is not in qcow2 format";
        });
    add(
        "R1 3 bytes of magic",
        p -> {
          p.truncate(3);
          return "Image is not in qcow2 format";
        });
    add(
        "R1 header of 60 bytes",
        p -> {
          p.truncate(60);
          return "qcow2 header too short (the file is 60 bytes; expected at least 104)";
        });
    add(
        "R1 version 2 header of 71 bytes",
        Seed.VERSION_2,
        p -> {
          p.truncate(71);
          return "qcow2 header too short (the file is 71 bytes; expected at least 72)";
        });
    add(
        "R1 version 3 header of 80 bytes",
        p -> {
          p.truncate(80);
          return "qcow2 header too short (the file is 80 bytes; expected at least 104)";
        });
    add(
        "R1 other magic",
        p -> {
          p.header("magic", 0x514649fa);
          return "Image is not in qcow2 format";
        });
  }

  private void versionsAndClusters() {
    for (long version : new long[] {0, 1, 4, 0xffffffffL}) {
      add(
          "R2 version " + version,
          p -> {
            p.header("version", version);
            return "Unsupported qcow2 version "
                + version
                + " (header, version at 0x4; expected 2 or 3)";
          });
    }
    for (long bits : new long[] {0, 8, 22, 63, 0xffffffffL}) {
      add(
          "R3 cluster_bits " + bits,
          p -> {
            p.header("cluster_bits", bits);
            return "Unsupported cluster size: 2^"
                + bits
                + " (header, cluster_bits at 0x14; expected 9 to 21)";
          });
    }
  }

  private void headerLength() {
    for (long length : new long[] {0, 50, 100, 103}) {
      add(
          "R4 header_length " + length,
          p -> {
            p.header("header_length", length);
            return "qcow2 header too short (header_length at 0x64 is "
                + length
                + "; expected at least 104)";
          });
    }
    add(
        "R4 header_length 105",
        p -> {
          p.header("header_length", 105);
          return "qcow2 header length invalid (header_length at 0x64 is 105; expected a multiple of"
              + " 8)";
        });
    for (long length : new long[] {4104, 0xfffffff8L, 0xffffffffL}) {
      add(
          "R4 header_length " + length,
          p -> {
            p.header("header_length", length);
            return "qcow2 header exceeds cluster size (header_length at 0x64 is "
                + length
                + "; expected at most 4096)";
          });
    }
  }

  private void virtualSize() {
    for (long size : new long[] {1L << 63, -1L, Long.MAX_VALUE}) {
      add(
          "R5 size " + Long.toUnsignedString(size),
          p -> {
            p.header("size", size);
            return "Image is too big (header, size at 0x18 is " + Long.toUnsignedString(size) + ")";
          });
    }
  }

  private void l1Table() {
    add(
        "R6 l1_size 0xffffffff",
        p -> {
          p.header("l1_size", 0xffffffffL);
          return "Active L1 table too large (header, l1_size at 0x24 is 4294967295; expected at"
              + " most 4194304)";
        });
    add(
        "R6 l1_size 1 where 2 are needed",
        p -> {
          p.header("l1_size", 1);
          return "L1 table is too small (header, l1_size at 0x24 is 1; a disk of 4194304 bytes"
              + " needs 2)";
        });
    add(
        "R6 l1_size 0",
        p -> {
          p.header("l1_size", 0);
          return "L1 table is too small (header, l1_size at 0x24 is 0; a disk of 4194304 bytes"
              + " needs 2)";
        });
    add(
        "R6 size 2^56 with the L1 table of 4 MiB",
        p -> {
          p.header("size", 1L << 56);
          return "Image is too big";
        });
    offsets("R7", "Active L1 table", "l1_table_offset", "l1_table_offset at 0x28");
    add(
        "R7 L1 table on the refcount table",
        p -> {
          long table = p.header("refcount_table_offset");
          p.header("l1_table_offset", table);
          return String.format(
              "Active L1 table offset invalid (header, l1_table_offset at 0x28 is 0x%x, which"
                  + " overlaps the refcount table at 0x%x)",
              table, table);
        });
  }

  /** Misaligned, in the header, past the end of the file, beyond 2^63. */
  private void offsets(String row, String table, String field, String shown) {
    add(
        row + " " + field + " misaligned",
        p -> {
          long offset = p.header(field) + 512;
          p.header(field, offset);
          return String.format(
              "%s offset invalid (header, %s is 0x%x, expected a multiple of the cluster size"
                  + " 4096)",
              table, shown, offset);
        });
    add(
        row + " " + field + " 0",
        p -> {
          p.header(field, 0);
          return String.format(
              "%s offset invalid (header, %s is 0x0, which overlaps the header)", table, shown);
        });
    for (long offset : new long[] {1L << 40, Long.MAX_VALUE & -4096, 1L << 63}) {
      add(
          row + " " + field + " " + Long.toHexString(offset),
          p -> {
            p.header(field, offset);
            return String.format(
                "%s offset invalid (header, %s is 0x%x, past the end of the file (%d bytes))",
                table, shown, offset, p.length());
          });
    }
  }

  private void refcounts() {
    add(
        "R8 refcount_table_clusters 0",
        p -> {
          p.header("refcount_table_clusters", 0);
          return "Image does not contain a reference count table (header, refcount_table_clusters"
              + " at 0x38 is 0)";
        });
    for (long clusters : new long[] {2049, 0x7fffffffL, 0xffffffffL}) {
      add(
          "R8 refcount_table_clusters " + clusters,
          p -> {
            p.header("refcount_table_clusters", clusters);
            return "Reference count table too large (header, refcount_table_clusters at 0x38 is "
                + clusters
                + "; expected at most 2048)";
          });
    }
    offsets(
        "R8", "Reference count table", "refcount_table_offset", "refcount_table_offset at 0x30");
    for (long order : new long[] {7, 255, 0xffffffffL}) {
      add(
          "R9 refcount_order " + order,
          p -> {
            p.header("refcount_order", order);
            return "Reference count entry width too large; may not exceed 64 bits (header,"
                + " refcount_order at 0x60 is "
                + order
                + "; expected 0 to 6)";
          });
    }
  }

  private void backingName() {
    for (long length : new long[] {1024, 0xffffffffL}) {
      add(
          "R14 backing_file_size " + length,
          Seed.OVERLAY,
          p -> {
            p.header("backing_file_size", length);
            return "Backing file name too long (backing_file_size at 0x10 is "
                + length
                + "; expected at most 1023)";
          });
    }
    add(
        "R14 backing name that runs out of the first cluster",
        p -> {
          p.header("backing_file_offset", 4000).header("backing_file_size", 97);
          return "Backing file name too long (backing_file_size at 0x10 is 97; expected at most"
              + " 96)";
        });
    for (long offset : new long[] {5000, 1L << 20, -8}) {
      add(
          "R14 backing_file_offset " + Long.toHexString(offset),
          p -> {
            p.header("backing_file_offset", offset).header("backing_file_size", 10);
            return String.format(
                "Invalid backing file offset (backing_file_offset at 0x8 is 0x%x; expected 0x70 to"
                    + " 0x1000)",
                offset);
          });
    }
    add(
        "R14 backing name inside the header",
        p -> {
          p.header("backing_file_offset", 8).header("backing_file_size", 10);
          return "Invalid backing file offset (backing_file_offset at 0x8 is 0x8; expected 0x70 to"
              + " 0x1000)";
        });
  }

  private void features() {
    for (int bit = 5; bit < 64; bit++) {
      long mask = 1L << bit;
      add(
          "R20 incompatible feature bit " + bit,
          p -> {
            p.header("incompatible_features", mask);
            return "Unsupported qcow2 feature(s): Unknown incompatible feature: "
                + Long.toHexString(mask);
          });
    }
    add(
        "R20 incompatible feature with a hostile name",
        Seed.ZLIB,
        p -> {
          // QEMU writes the feature name table as the first extension: 48 bytes an entry.
          long table = p.extension(0x6803f857L);
          p.bytes(table, (byte) 0, (byte) 9);
          p.bytes(table + 2, new byte[46]);
          p.bytes(table + 2, "\033[2Jevil\n\u202e".getBytes(StandardCharsets.UTF_8));
          p.header("incompatible_features", 1 << 9);
          return "Unsupported qcow2 feature(s): \\x1b[2Jevil\\x0a\\u{202e}";
        });
    add(
        "R18 data file bit without a name",
        p -> {
          p.header("incompatible_features", 4);
          return "'data-file' is required for this image (incompatible feature bit 2 is set, and"
              + " the header extension that names the data file is missing)";
        });
    add(
        "R30 extended L2 with 4 KiB clusters",
        p -> {
          p.header("incompatible_features", 16);
          return "Extended L2 entries need clusters of at least 16 KiB (header, cluster_bits at"
              + " 0x14 is 12)";
        });
  }

  private void compression() {
    add(
        "R26 compression bit without a type",
        p -> {
          p.header("incompatible_features", 8);
          return "qcow2: Compression type incompatible feature bit must not be set (type at 0x68 is"
              + " 0, zlib)";
        });
    add(
        "R26 compression type without its bit",
        p -> {
          p.header("compression_type", 1);
          return "qcow2: Compression type incompatible feature bit must be set (type at 0x68 is 1)";
        });
    for (int type : new int[] {2, 7, 255}) {
      add(
          "R26 compression type " + type,
          p -> {
            p.header("incompatible_features", 8).header("compression_type", type);
            return "qcow2: unknown compression type: "
                + type
                + " (header, at 0x68; expected 0 or 1)";
          });
    }
  }

  private void extensions() {
    for (long length : new long[] {0x80000000L, 0xffffffffL, 4096}) {
      add(
          "R33 extension of " + length + " bytes",
          p -> {
            long at = p.header("header_length");
            p.u32(at, 0x12345678).u32(at + 4, length);
            return String.format(
                "Header extension too large (type 0x12345678 at host offset 0x%x has length %d,"
                    + " expected at most %d)",
                at, length, 4096 - at - 8);
          });
    }
    add(
        "R33 extension that runs into the backing name",
        Seed.OVERLAY,
        p -> {
          long at = p.header("header_length");
          long name = p.header("backing_file_offset");
          p.u32(at, 0x12345678).u32(at + 4, name - at);
          return String.format(
              "Header extension too large (type 0x12345678 at host offset 0x%x has length %d,"
                  + " expected at most %d)",
              at, name - at, name - at - 8);
        });
  }

  private void encryption() {
    add(
        "R34 AES",
        p -> {
          p.header("crypt_method", 1);
          return "Image is encrypted with AES (header, crypt_method at 0x20 is 1); reading"
              + " encrypted images is not supported";
        });
    add(
        "R34 LUKS without its header extension",
        p -> {
          p.header("crypt_method", 2);
          return "Image is encrypted with LUKS (header, crypt_method at 0x20 is 2); reading"
              + " encrypted images is not supported";
        });
    for (long method : new long[] {3, 5, 0xffffffffL}) {
      add(
          "R34 crypt_method " + method,
          p -> {
            p.header("crypt_method", method);
            return "Unsupported encryption method "
                + method
                + " (header, crypt_method at 0x20; expected 0 to 2)";
          });
    }
  }

  private static void check(Case c) {
    try (TempImages scratch = TempImages.create("refused")) {
      Path image = c.seed().copyTo(scratch.folder());
      String wanted;
      try (Patcher patcher = Patcher.open(image)) {
        wanted = c.damage().apply(patcher);
      }
      Map<String, String> before = Fingerprint.of(scratch.folder());
      for (boolean writable : new boolean[] {false, true}) {
        refused(image, scratch.folder(), wanted, before, writable);
      }
    }
  }

  private static void refused(
      Path image, Path folder, String wanted, Map<String, String> before, boolean writable) {
    Outcome outcome = assertTimeoutPreemptively(Run.PATIENCE, () -> open(image, writable));
    assertThat(outcome.thrown())
        .isInstanceOf(ImageException.class)
        .hasMessage(image + ": " + wanted)
        .message()
        .doesNotContainPattern("\\p{Cntrl}");
    assertThat(outcome.took()).as("CPU time").isLessThan(Duration.ofSeconds(1));
    assertThat(outcome.bytes()).as("bytes allocated").isLessThan(MOST_BYTES);
    assertThat(Fingerprint.of(folder)).as("the files").isEqualTo(before);
  }

  private record Outcome(Throwable thrown, Duration took, long bytes) {}

  /** Opens as qcow2: a file without the magic would else be taken for a raw disk. */
  private static Outcome open(Path image, boolean writable) {
    long allocated = allocatedBytes();
    long start = cpuNanos();
    Throwable thrown =
        catchThrowable(
            () ->
                Images.open(
                        image.toString(),
                        OpenOptions.readOnly().withFormat("qcow2").withWritable(writable))
                    .close());
    Duration took = Duration.ofNanos(cpuNanos() - start);
    return new Outcome(thrown, took, allocatedBytes() - allocated);
  }

  /** What this thread has computed: the disk and the load of the machine are not its time. */
  static long cpuNanos() {
    return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
  }

  /** What this thread has allocated on the heap so far, and all direct buffers there are. */
  static long allocatedBytes() {
    long heap =
        ((ThreadMXBean) ManagementFactory.getThreadMXBean())
            .getThreadAllocatedBytes(Thread.currentThread().getId());
    return heap
        + ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
            .mapToLong(BufferPoolMXBean::getMemoryUsed)
            .sum();
  }
}
