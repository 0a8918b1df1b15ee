package org.qcowfs.it.mount;

import static org.assertj.core.api.Assertions.assertThat;
import static org.qcowfs.engine.host.posix.PosixCalls.FALLOC_FL_KEEP_SIZE;
import static org.qcowfs.engine.host.posix.PosixCalls.FALLOC_FL_PUNCH_HOLE;
import static org.qcowfs.engine.host.posix.PosixCalls.FALLOC_FL_ZERO_RANGE;
import static org.qcowfs.engine.host.posix.PosixCalls.SEEK_DATA;
import static org.qcowfs.engine.host.posix.PosixCalls.SEEK_HOLE;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.reflect.Field;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.engine.host.posix.PosixCalls;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.Sha256;
import org.qcowfs.it.support.TempImages;

/** Writing to the mounted disk, judged by what programs see at once and by QEMU afterwards. */
class MountWriteIT {
  private static final long SIZE = (64 << 20) + 512;

  private final TempImages temp = TempImages.create("write");
  private final Path image = temp.path("disk.qcow2");
  private final Path point = temp.makeFolder("mnt");

  @AfterEach
  void cleanUp() {
    if (Mounted.isMountPoint(point)) {
      Run.run(Run.PATIENCE, List.of("umount", "-l", point.toString()));
    }
    temp.close();
  }

  private Mounted mount(String... options) {
    String[] all = new String[options.length + 1];
    all[0] = "--rw";
    System.arraycopy(options, 0, all, 1, options.length);
    return Mounted.mount(image, point, all);
  }

  /** Unmounts and has QEMU judge the image: no errors and no leaks. */
  private void finish(Mounted mounted) {
    mounted.unmount();
    QemuImg.run("check", image.toString());
  }

  // ------------------------------------------------------------------------------ what is there

  @ParameterizedTest
  @ValueSource(strings = {"writeback", "writethrough", "none"})
  void aFlatMountHasItsSizeAndTakesWrites(String cache) throws Exception {
    QemuImg.create(image, SIZE);
    Path flat = Files.createFile(temp.path("flat"));
    byte[] bytes = new byte[100_000];
    new Random(1).nextBytes(bytes);
    try (Mounted mounted = Mounted.mount(image, flat, "--rw", "--cache=" + cache)) {
      assertThat(Files.size(flat)).isEqualTo(SIZE);
      try (RandomAccessFile file = new RandomAccessFile(flat.toFile(), "rw")) {
        file.seek(SIZE - bytes.length);
        file.write(bytes);
      }
      assertThat(Files.size(flat)).isEqualTo(SIZE);
      finish(mounted);
    }
    Path raw = temp.path("raw");
    QemuImg.toRaw(image, "qcow2", raw);
    try (RandomAccessFile file = new RandomAccessFile(raw.toFile(), "r")) {
      byte[] got = new byte[bytes.length];
      file.seek(SIZE - bytes.length);
      file.readFully(got);
      assertThat(got).isEqualTo(bytes);
    }
  }

  /** Cutting the disk leaves what it has, which would show where a new image leaves zeroes out. */
  @Test
  void aMountedDiskIsNotTakenForAnEmptyFile() {
    QemuImg.create(image, SIZE);
    QemuIo.on(image).write(1, 0, 1 << 20).run();
    Path source = temp.path("source.qcow2");
    QemuImg.create(source, SIZE);
    QemuIo.on(source).write(2, 4096, 4096).run();
    try (Mounted mounted = mount()) {
      String disk = mounted.disk().toString();
      Run.Result refused = CliRun.run("convert", "-O", "raw", source.toString(), disk);
      assertThat(refused.exitCode()).isEqualTo(1);
      assertThat(refused.err()).contains("the file cannot be emptied");
      CliRun.ok("convert", "-n", "-O", "raw", source.toString(), disk);
      finish(mounted);
    }
    QemuImg.run("compare", source.toString(), image.toString());
  }

  @ParameterizedTest
  @ValueSource(strings = {"writeback", "writethrough", "none", "directsync", "unsafe"})
  void whatWasWrittenButNotSyncedIsData(String cache) throws Exception {
    QemuImg.create(image, SIZE);
    Path copy = temp.path("copy");
    byte[] wanted = new byte[(int) SIZE];
    try (Mounted mounted = mount("--cache=" + cache)) {
      try (RawFd writer = RawFd.open(mounted.disk());
          FileChannel mapped =
              FileChannel.open(mounted.disk(), StandardOpenOption.READ, StandardOpenOption.WRITE)) {
        MappedByteBuffer map = mapped.map(FileChannel.MapMode.READ_WRITE, 0, SIZE);
        try (RawFd reader = RawFd.open(mounted.disk())) {
          assertThat(reader.seek(0, SEEK_DATA)).isEqualTo(-Errno.ENXIO);
          assertThat(writer.write(0x5a, 10 << 20, 65536)).isEqualTo(65536);
          assertThat(reader.seek(0, SEEK_DATA)).isEqualTo(10 << 20);
          assertThat(reader.seek(10 << 20, SEEK_HOLE)).isEqualTo((10 << 20) + 65536);
          map.put(30 << 20, (byte) 1);
          assertThat(reader.seek(11 << 20, SEEK_DATA)).isBetween(30L << 20, (30L << 20) + 4096);
          map.put(31 << 20, (byte) 2);
          // From inside one stretch of data over the next.
          assertThat(reader.seek(30 << 20, SEEK_HOLE)).isLessThan(31 << 20);
          map.put((int) SIZE - 1, (byte) 3);
          assertThat(reader.seek(60 << 20, SEEK_DATA)).isGreaterThan(60 << 20);
        }
        Run.ok("cp", "--sparse=always", mounted.disk().toString(), copy.toString());
        java.util.Arrays.fill(wanted, 10 << 20, (10 << 20) + 65536, (byte) 0x5a);
        wanted[30 << 20] = 1;
        wanted[31 << 20] = 2;
        wanted[(int) SIZE - 1] = 3;
        assertThat(Sha256.ofFile(copy)).isEqualTo(sha(wanted));
        unmap(map);
      }
      finish(mounted);
    }
    Path raw = temp.path("raw");
    QemuImg.toRaw(image, "qcow2", raw);
    assertThat(Sha256.ofFile(raw)).isEqualTo(sha(wanted));
  }

  private String sha(byte[] bytes) throws IOException {
    Path file = temp.path("wanted");
    Files.write(file, bytes);
    return Sha256.ofFile(file);
  }

  /** A mapping keeps the mount busy, and Java 17 has no public way to end one. */
  private static void unmap(MappedByteBuffer map) throws ReflectiveOperationException {
    Class<?> type = Class.forName("sun.misc.Unsafe");
    Field unsafe = type.getDeclaredField("theUnsafe");
    unsafe.setAccessible(true);
    type.getMethod("invokeCleaner", ByteBuffer.class).invoke(unsafe.get(null), map);
  }

  @Test
  void documentsAndBlocksKeepUpWithWhatIsWritten() throws IOException {
    QemuImg.create(image, SIZE);
    try (Mounted mounted = mount()) {
      Path map = point.resolve("map.json");
      assertThat(Files.readString(map)).doesNotContain("\"data\": true");
      assertThat(blocks(mounted.disk())).isZero();
      try (RawFd writer = RawFd.open(mounted.disk())) {
        assertThat(writer.write(1, 1 << 20, 1 << 20)).isEqualTo(1 << 20);
        // Nothing is synced: the map tells of it all the same.
        assertThat(Files.readString(map)).contains("\"start\": 1048576, \"length\": 1048576");
        Await.until("the blocks are counted", () -> blocks(mounted.disk()) == 2048);
      }
      assertThat(Files.readString(point.resolve("check.json"))).contains("\"checked\": false");
      assertThat(Files.readString(point.resolve("info.json")))
          .contains("\"virtual-size\": " + SIZE);
      assertThat(read(mounted.layer(0), 1 << 20, 16)).containsOnly(1);
      finish(mounted);
    }
  }

  private static long blocks(Path file) {
    return Long.parseLong(Run.ok("stat", "-c", "%b", file.toString()).out().strip());
  }

  private static byte[] read(Path file, long offset, int length) throws IOException {
    try (RandomAccessFile in = new RandomAccessFile(file.toFile(), "r")) {
      byte[] bytes = new byte[length];
      in.seek(offset);
      in.readFully(bytes);
      return bytes;
    }
  }

  // ------------------------------------------------------------------------------- the edges

  @ParameterizedTest
  @ValueSource(strings = {"writethrough", "none", "directsync"})
  void theDiskHasAnEndLikeABlockDevice(String cache) throws IOException {
    QemuImg.create(image, SIZE);
    try (Mounted mounted = mount("--cache=" + cache)) {
      try (RawFd disk = RawFd.open(mounted.disk())) {
        assertThat(disk.write(1, SIZE, 4096)).isEqualTo(-Errno.ENOSPC);
        assertThat(disk.write(1, SIZE + (1 << 20), 4096)).isEqualTo(-Errno.ENOSPC);
        assertThat(disk.write(7, SIZE - 512, 4096)).isEqualTo(512);
        assertThat(Files.size(mounted.disk())).isEqualTo(SIZE);
      }
      assertThat(read(mounted.disk(), SIZE - 512, 512)).containsOnly(7);
      finish(mounted);
    }
  }

  /** The kernel's writeback cache takes such a write without asking; fsync and close tell. */
  @Test
  void withAWritebackCacheTheEndShowsAtTheSync() throws IOException {
    QemuImg.create(image, SIZE);
    try (Mounted mounted = mount()) {
      try (RawFd disk = RawFd.open(mounted.disk())) {
        assertThat(disk.write(7, SIZE - 512, 8192)).isEqualTo(8192);
        assertThat(disk.sync()).isEqualTo(-Errno.ENOSPC);
      }
      Await.until("the size is that of the disk", () -> size(mounted.disk()) == SIZE);
      assertThat(read(mounted.disk(), SIZE - 512, 512)).containsOnly(7);
      try (RawFd direct = RawFd.open(mounted.disk(), PosixCalls.O_DIRECT)) {
        assertThat(direct.write(1, SIZE & -4096, 4096)).isEqualTo(512);
        assertThat(direct.write(1, (SIZE & -4096) + 4096, 4096)).isEqualTo(-Errno.ENOSPC);
      }
      finish(mounted);
    }
  }

  private static long size(Path file) {
    try {
      return Files.size(file);
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"writeback", "none"})
  void cuttingTheDiskChangesNothing(String cache) throws IOException {
    QemuImg.create(image, SIZE);
    try (Mounted mounted = mount("--cache=" + cache)) {
      try (RawFd disk = RawFd.open(mounted.disk())) {
        assertThat(disk.write(9, 0, 4096)).isEqualTo(4096);
        assertThat(disk.truncate(0)).isZero();
        assertThat(disk.truncate(SIZE * 2 + 1)).isZero();
        try (RawFd second = RawFd.open(mounted.disk(), PosixCalls.O_TRUNC)) {
          assertThat(Files.size(mounted.disk())).isEqualTo(SIZE);
        }
        Run.ok("truncate", "-s", "5", mounted.disk().toString());
        assertThat(Files.size(mounted.disk())).isEqualTo(SIZE);
        assertThat(read(mounted.disk(), 0, 4096)).containsOnly(9);
      }
      finish(mounted);
    }
  }

  @Test
  void viewsOfTheUnchangeableAreReadOnly() throws IOException {
    QemuImg.create(image, SIZE);
    QemuIo.on(image).write(3, 0, 65536).run();
    QemuImg.snapshot(image, "before");
    try (Mounted mounted = mount()) {
      for (Path file :
          List.of(
              mounted.snapshot("before"),
              mounted.layer(0),
              point.resolve("info.json"),
              point.resolve("map.json"))) {
        assertThat(RawFd.openErrno(file)).as("opening %s", file).isEqualTo(Errno.EROFS);
      }
      try (RawFd disk = RawFd.open(mounted.disk())) {
        assertThat(disk.write(4, 0, 65536)).isEqualTo(65536);
      }
      assertThat(read(mounted.snapshot("before"), 0, 65536)).containsOnly(3);
      finish(mounted);
    }
  }

  // ----------------------------------------------------------------------------------- zeroes

  @ParameterizedTest
  @CsvSource({"unmap,64k", "ignore,64k", "unmap,512", "unmap,2M"})
  void punchedAndZeroedRangesReadAsZeroesAtEveryAlignment(String discard, String clusterSize)
      throws IOException {
    int size = 16 << 20;
    QemuImg.create(image, size, "cluster_size=" + clusterSize);
    QemuIo.on(image).write(0x11, 0, size).run();
    byte[] model = new byte[size];
    java.util.Arrays.fill(model, (byte) 0x11);
    Random random = new Random(7);
    try (Mounted mounted = mount("--discard=" + discard)) {
      try (RawFd disk = RawFd.open(mounted.disk())) {
        for (int i = 0; i < 60; i++) {
          int unit = i % 3 == 0 ? 1 : i % 3 == 1 ? 512 : 65536;
          int from = random.nextInt(size) & -unit;
          int length = Math.min(size - from, unit * (1 + random.nextInt(i % 3 == 0 ? 200_000 : 8)));
          int mode =
              FALLOC_FL_KEEP_SIZE | (i % 2 == 0 ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);
          assertThat(disk.fallocate(mode, from, length)).isZero();
          java.util.Arrays.fill(model, from, from + length, (byte) 0);
        }
        assertThat(disk.fallocate(8, 0, 65536)).as("collapse").isEqualTo(-Errno.EOPNOTSUPP);
        assertThat(disk.fallocate(0, size - 4096L, 8192)).isEqualTo(-Errno.ENOSPC);
        assertThat(disk.fallocate(FALLOC_FL_KEEP_SIZE, size - 4096L, 8192)).isZero();
        assertThat(disk.fallocate(0, 0, size)).isZero();
      }
      assertThat(Sha256.ofFile(mounted.disk())).isEqualTo(sha(model));
      finish(mounted);
    }
    Path raw = temp.path("raw");
    QemuImg.toRaw(image, "qcow2", raw);
    assertThat(Sha256.ofFile(raw)).isEqualTo(sha(model));
  }

  @ParameterizedTest
  @CsvSource({"unmap,true", "ignore,false"})
  void discardDecidesOnlyAboutTheSpace(String discard, boolean frees) {
    QemuImg.create(image, SIZE);
    QemuIo.on(image).write(0x11, 0, 32 << 20).run();
    try (Mounted mounted = mount("--discard=" + discard)) {
      Run.ok("fallocate", "-p", "-o", "0", "-l", "32M", mounted.disk().toString());
      Run.ok("cmp", "-n", "33554432", mounted.disk().toString(), "/dev/zero");
      finish(mounted);
    }
    boolean isSmall = blocks(image) * 512 < 4 << 20;
    assertThat(isSmall).as("%d blocks", blocks(image)).isEqualTo(frees);
  }

  @ParameterizedTest
  @CsvSource({"off,true", "on,false", "unmap,false"})
  void writtenZeroesAreStoredAsZeroesIfAskedFor(String detect, boolean stored) {
    QemuImg.create(image, SIZE);
    try (Mounted mounted = mount("--detect-zeroes=" + detect)) {
      try (RawFd disk = RawFd.open(mounted.disk())) {
        assertThat(disk.write(0, 0, 16 << 20)).isEqualTo(16 << 20);
        assertThat(disk.write(5, 16 << 20, 65536)).isEqualTo(65536);
      }
      finish(mounted);
    }
    long data =
        QemuImg.map(image, "qcow2").stream()
            .filter(e -> e.data() && !e.zero())
            .mapToLong(QemuImg.MapEntry::length)
            .sum();
    assertThat(data).isEqualTo(65536 + (stored ? 16 << 20 : 0));
  }

  // ---------------------------------------------------------------------------------- at once

  @ParameterizedTest
  @ValueSource(strings = {"writeback", "none"})
  void manyWritersToOneCluster(String cache) throws Exception {
    int writers = 16;
    int piece = 2048;
    int clusters = 40;
    QemuImg.create(image, SIZE, "cluster_size=32k");
    QemuIo.on(image).write(0x11, 0, 32768).run();
    ExecutorService pool = Executors.newFixedThreadPool(writers);
    try (Mounted mounted = mount("--cache=" + cache)) {
      List<Future<?>> all = new ArrayList<>();
      for (int i = 0; i < writers; i++) {
        int mine = i;
        all.add(
            pool.submit(
                () -> {
                  try (RawFd disk = RawFd.open(mounted.disk(), PosixCalls.O_DIRECT)) {
                    for (int c = 0; c < clusters; c++) {
                      long at = c * 32768L + mine * piece;
                      assertThat(disk.write(mine + 1, at, piece)).isEqualTo(piece);
                    }
                  }
                }));
      }
      for (Future<?> one : all) {
        one.get();
      }
      finish(mounted);
    } finally {
      pool.shutdownNow();
    }
    Path raw = temp.path("raw");
    QemuImg.toRaw(image, "qcow2", raw);
    byte[] bytes = read(raw, 0, clusters * 32768);
    for (int i = 0; i < bytes.length; i++) {
      assertThat((int) bytes[i]).as("byte %d", i).isEqualTo(i % 32768 / piece + 1);
    }
  }

  // --------------------------------------------------------------------------------- durability

  /** What each of these promised to keep is there after the process was killed. */
  @Test
  void whatWasMadeDurableOutlivesTheProcess() throws IOException {
    QemuImg.create(image, SIZE);
    try (Mounted mounted = mount()) {
      RawFd synced = RawFd.open(mounted.disk());
      assertThat(synced.write(1, 0, 100_000)).isEqualTo(100_000);
      assertThat(synced.sync()).isZero();
      RawFd closed = RawFd.open(mounted.disk());
      assertThat(closed.write(2, 8 << 20, 100_000)).isEqualTo(100_000);
      assertThat(closed.closeNow()).isZero();
      int dataSync = 010000;
      RawFd dsync = RawFd.open(mounted.disk(), dataSync);
      assertThat(dsync.write(3, 16 << 20, 100_000)).isEqualTo(100_000);
      RawFd direct = RawFd.open(mounted.disk(), dataSync, PosixCalls.O_DIRECT);
      assertThat(direct.write(4, 24 << 20, 102_400)).isEqualTo(102_400);
      kill(mounted);
      synced.close();
      dsync.close();
      direct.close();
    }
    assertOnlyLeaks();
    QemuIo.on(image)
        .command("read -q -P 1 0 100000")
        .command("read -q -P 2 8M 100000")
        .command("read -q -P 3 16M 100000")
        .command("read -q -P 4 24M 102400")
        .run();
  }

  @ParameterizedTest
  @ValueSource(strings = {"writethrough", "directsync"})
  void eachWriteIsDurableWithoutAnotherWord(String cache) throws IOException {
    QemuImg.create(image, SIZE);
    try (Mounted mounted = mount("--cache=" + cache)) {
      RawFd disk = RawFd.open(mounted.disk());
      assertThat(disk.write(1, 5 << 20, 100_000)).isEqualTo(100_000);
      kill(mounted);
      disk.close();
    }
    assertOnlyLeaks();
    QemuIo.on(image).command("read -q -P 1 5M 100000").run();
  }

  private void kill(Mounted mounted) {
    mounted.server().destroyForcibly();
    Await.until("the process is gone", () -> !mounted.server().isAlive());
    Run.ok("umount", "-l", point.toString());
  }

  /** 0 is a clean image, 3 one that only has leaks. */
  private void assertOnlyLeaks() {
    Run.Result check = Run.run(Run.PATIENCE, List.of("qemu-img", "check", image.toString()));
    assertThat(check.exitCode()).as("%s", check).isIn(0, 3);
  }

  @Test
  void aRawImageIsWrittenTo() throws IOException {
    Path raw = temp.path("disk.raw");
    try (RandomAccessFile file = new RandomAccessFile(raw.toFile(), "rw")) {
      file.setLength(SIZE);
    }
    try (Mounted mounted = Mounted.mount(raw, point, "--rw", "--format", "raw")) {
      try (RawFd disk = RawFd.open(mounted.disk())) {
        assertThat(disk.write(6, 12345, 100_000)).isEqualTo(100_000);
        assertThat(disk.write(1, SIZE - 512, 512)).isEqualTo(512);
        int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
        assertThat(disk.fallocate(punch, 20_000, 5000)).isZero();
      }
      mounted.unmount();
    }
    assertThat(read(raw, 12345, 20_000 - 12345)).containsOnly(6);
    assertThat(read(raw, 20_000, 5000)).containsOnly(0);
    assertThat(read(raw, 25_000, 12345 + 100_000 - 25_000)).containsOnly(6);
    assertThat(Files.size(raw)).isEqualTo(SIZE);
  }

  @Test
  void readsSeeWritesOfEveryKindOfOpening() throws IOException {
    QemuImg.create(image, SIZE);
    try (Mounted mounted = mount()) {
      try (RawFd buffered = RawFd.open(mounted.disk());
          RawFd direct = RawFd.open(mounted.disk(), PosixCalls.O_DIRECT)) {
        DataBuffer got = DataBuffer.allocate(8192);
        for (int i = 1; i < 50; i++) {
          RawFd from = i % 2 == 0 ? buffered : direct;
          RawFd to = i % 2 == 0 ? direct : buffered;
          assertThat(from.write(i, 4096L * i, 8192)).isEqualTo(8192);
          assertThat(to.read(got, 4096L * i)).isEqualTo(8192);
          for (int b = 0; b < 8192; b++) {
            assertThat((int) got.bytes().get(b)).isEqualTo(i);
          }
        }
      }
      finish(mounted);
    }
  }
}
