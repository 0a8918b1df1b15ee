package org.qcowfs.it.mount;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/** {@code --growable}: a disk that becomes larger under the programs that write to it. */
class MountGrowIT {
  private static final int FIRST = 200_704;
  private static final int MOST = 24 << 20;

  private final TempImages temp = TempImages.create("grow");
  private final Path image = temp.path("disk.qcow2");
  private final Path point = temp.makeFolder("mnt");
  private final byte[] model = new byte[MOST];
  private int size = FIRST;

  @AfterEach
  void cleanUp() {
    if (Mounted.isMountPoint(point)) {
      Run.run(Run.PATIENCE, List.of("umount", "-l", point.toString()));
    }
    temp.close();
  }

  /** Clusters of 512 bytes: the L1 table has to grow every few writes. */
  @ParameterizedTest
  @CsvSource({
    "qcow2, cluster_size=512, writeback",
    "qcow2, cluster_size=64k, none",
    "qcow2, 'cluster_size=16k,extended_l2=on', writethrough",
    "qcow2, 'cluster_size=4k,data_file=DATA,data_file_raw=on', writeback",
    "qcow2, BACKED, writeback",
    "raw, '', none"
  })
  void growsUnderAReaderAndIsWhatWasWritten(String format, String options, String cache)
      throws Exception {
    make(format, options);
    try (Mounted mounted = Mounted.mount(image, point, options(format, options, cache))) {
      AtomicBoolean done = new AtomicBoolean();
      CompletableFuture<Void> reader =
          CompletableFuture.runAsync(() -> readUntil(done, mounted.disk()));
      try (RandomAccessFile disk = new RandomAccessFile(mounted.disk().toFile(), "rw")) {
        grow(disk, mounted.disk(), new Random(format.hashCode() + options.hashCode()));
      } finally {
        done.set(true);
      }
      reader.get();
      mounted.unmount();
    }
    if (format.equals("qcow2")) {
      QemuImg.run("check", image.toString());
    }
    int sectors = size + 511 & -512;
    assertThat(QemuImg.info(image)).contains("\"virtual-size\": " + sectors);
    Path wanted = temp.path("wanted.raw");
    Files.write(wanted, Arrays.copyOf(model, sectors));
    QemuImg.run("compare", "-f", "raw", "-F", format, wanted.toString(), image.toString());
  }

  private static String[] options(String format, String options, String cache) {
    List<String> all = new ArrayList<>(List.of("--rw", "--growable", "--cache=" + cache));
    all.addAll(List.of("--format", format));
    if (options.equals("BACKED")) {
      all.add("--copy-on-read");
    }
    return all.toArray(String[]::new);
  }

  private void make(String format, String options) throws IOException {
    if (format.equals("raw")) {
      Run.ok("truncate", "-s", FIRST + "", image.toString());
    } else if (options.equals("BACKED")) {
      Path base = temp.path("base.qcow2");
      QemuImg.create(base, MOST);
      QemuIo.on(base).write(0x77, 0, MOST).run();
      QemuImg.run(
          "create",
          "-f",
          "qcow2",
          "-b",
          base.toString(),
          "-F",
          "qcow2",
          image.toString(),
          FIRST + "");
      Arrays.fill(model, 0, FIRST, (byte) 0x77);
    } else {
      String data = temp.path("data.raw").toString();
      QemuImg.create(image, FIRST, options.replace("DATA", data));
    }
  }

  /** The first bytes are written once and read all the time. */
  private void readUntil(AtomicBoolean done, Path disk) {
    byte first = model[FIRST - 1];
    try (RandomAccessFile file = new RandomAccessFile(disk.toFile(), "r")) {
      byte[] bytes = new byte[4096];
      while (!done.get()) {
        file.seek(FIRST - bytes.length);
        file.readFully(bytes);
        for (byte b : bytes) {
          assertThat(b).isEqualTo(first);
        }
      }
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private void grow(RandomAccessFile disk, Path path, Random random) throws IOException {
    for (int i = 0; i < 50 && size < MOST - (1 << 20); i++) {
      switch (random.nextInt(5)) {
        case 0 -> write(disk, size, random);
        case 1 -> write(disk, size + random.nextInt(300_000), random);
        case 2 -> {
          // Behind the part that is read meanwhile, where there is any.
          if (size > FIRST + 1) {
            write(disk, FIRST + random.nextInt(size - FIRST), random);
          }
        }
        case 3 -> {
          size += 1 + random.nextInt(200_000);
          Run.ok("truncate", "-s", size + "", path.toString());
        }
        default -> {
          int length = 1 + random.nextInt(200_000);
          Run.ok("fallocate", "-o", size + "", "-l", length + "", path.toString());
          size += length;
        }
      }
      assertThat(disk.length()).isBetween((long) size, size + 511L);
      size = (int) disk.length();
    }
    assertThat(size).isGreaterThan(FIRST + (1 << 20));
  }

  private void write(RandomAccessFile disk, int offset, Random random) throws IOException {
    byte[] bytes = new byte[1 + random.nextInt(150_000)];
    random.nextBytes(bytes);
    disk.seek(offset);
    disk.write(bytes);
    System.arraycopy(bytes, 0, model, offset, bytes.length);
    size = Math.max(size, offset + bytes.length);
  }

  @Test
  void aSizeTheFormatCannotHaveIsRefusedAndTheDiskGoesOn() throws Exception {
    QemuImg.create(image, FIRST, "cluster_size=512");
    try (Mounted mounted = Mounted.mount(image, point, "--rw", "--growable")) {
      try (RandomAccessFile disk = new RandomAccessFile(mounted.disk().toFile(), "rw")) {
        assertThatThrownBy(() -> disk.setLength(1L << 50)).hasMessageContaining("File too large");
        assertThat(disk.length()).isEqualTo(FIRST);
        disk.setLength(FIRST + 1024);
        disk.seek(FIRST);
        disk.write(new byte[] {1, 2, 3});
        disk.setLength(1000); // never smaller
        assertThat(Files.size(mounted.disk())).isEqualTo(FIRST + 1024);
      }
      mounted.unmount();
    }
    QemuImg.run("check", image.toString());
    assertThat(QemuImg.info(image)).contains("\"virtual-size\": " + (FIRST + 1024));
  }

  /** A snapshot keeps its size; the one made after growing has the new one. */
  @Test
  void snapshotsKeepTheirSize() throws Exception {
    QemuImg.create(image, FIRST);
    try (Mounted mounted = Mounted.mount(image, point, "--rw", "--growable")) {
      Path snapshots = point.resolve("snapshots");
      Files.createDirectory(snapshots.resolve("before"));
      try (RandomAccessFile disk = new RandomAccessFile(mounted.disk().toFile(), "rw")) {
        disk.seek(10 << 20);
        disk.write(new byte[] {1, 2, 3});
      }
      Files.createDirectory(snapshots.resolve("after"));
      assertThat(Files.size(snapshots.resolve("before/disk.raw"))).isEqualTo(FIRST);
      assertThat(Files.size(snapshots.resolve("after/disk.raw"))).isEqualTo((10 << 20) + 512);
      mounted.unmount();
    }
    QemuImg.run("check", image.toString());
  }
}
