package org.qcowfs.engine.qcow2.snapshot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import java.io.RandomAccessFile;
import java.lang.management.ManagementFactory;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.PosixHostFile;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.model.SnapshotInfo;
import org.qcowfs.engine.qcow2.Qcow2Opener;
import org.qcowfs.engine.testing.ImageBuilder;

final class SnapshotTableTest {
  private static final long DISK = 1 << 20;

  @TempDir Path folder;
  private final ImageBuilder builder = ImageBuilder.v3(12, DISK);
  private final long table = builder.append(0);
  private long at = table;
  private int count;

  /** Adds an entry; returns its offset. */
  private long entry(byte[] id, byte[] name, int extra) {
    long start = at;
    builder
        .putLong(start, 0x3000)
        .putInt(start + 8, 1)
        .putShort(start + 12, id.length)
        .putShort(start + 14, name.length)
        .putInt(start + 16, 0xfffffff0) // unsigned: the year 2106
        .putInt(start + 20, 123456789)
        .putLong(start + 24, 5_000_000_000L)
        .putInt(start + 32, 77)
        .putInt(start + 36, extra)
        .put(start + 40, new byte[extra])
        .put(start + 40 + extra, id)
        .put(start + 40 + extra + id.length, name);
    if (extra >= 8) {
      builder.putLong(start + 40, 0x1_0000_0000L);
    }
    if (extra >= 16) {
      builder.putLong(start + 48, 4096 + 512);
    }
    if (extra >= 24) {
      builder.putLong(start + 56, 42);
    }
    at = start + 40 + extra + id.length + name.length + 7 & ~7L;
    count++;
    return start;
  }

  private long entry(String id, String name, int extra) {
    return entry(id.getBytes(StandardCharsets.UTF_8), name.getBytes(StandardCharsets.UTF_8), extra);
  }

  private SnapshotTable read() throws ImageException {
    return read(at);
  }

  private SnapshotTable read(long fileLength) throws ImageException {
    builder.putInt(60, count).putLong(64, table);
    if (builder.end() < at) {
      builder.padTo(at);
    }
    return readFile(builder.write(folder.resolve("disk.qcow2"), fileLength));
  }

  private static SnapshotTable readFile(Path path) throws ImageException {
    try (PosixHostFile file = PosixHostFile.open(path.toString(), false)) {
      return SnapshotTable.read(file, Qcow2Opener.readHeader(file));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 8, 16, 24, 2000})
  void readsEntriesWithAnyAmountOfExtraData(int extra) throws ImageException {
    entry("1", "first", extra);
    entry("2", "zweiter ä", extra);
    SnapshotTable read = read();
    assertThat(read.fault()).isNull();
    assertThat(read.bytes()).isEqualTo(at - table);
    assertThat(read.snapshots())
        .containsExactly(expected(0, "1", "first", extra), expected(1, "2", "zweiter ä", extra));
  }

  private static SnapshotInfo expected(int index, String id, String name, int extra) {
    return new SnapshotInfo(
        index,
        id,
        name,
        4294967280L,
        123456789,
        5_000_000_000L,
        extra >= 8 ? 0x1_0000_0000L : 77,
        extra >= 16 ? 4608 : DISK,
        extra >= 24 ? 42 : -1,
        0x3000,
        1);
  }

  @Test
  void readsTheTableOfAVersion2Image() throws ImageException {
    entry("1", "old", 0);
    builder.putInt(4, 2).put(72, new byte[40]);
    assertThat(read().snapshots()).containsExactly(expected(0, "1", "old", 0));
  }

  @Test
  void readsWhatQemuWrote() throws Exception {
    Path path = Files.write(folder.resolve("disk.qcow2"), ImageBuilder.golden("snapshots"));
    SnapshotTable read = readFile(path);
    assertThat(read.fault()).isNull();
    assertThat(read.snapshots()).extracting(SnapshotInfo::id).containsExactly("1", "2");
    assertThat(read.snapshots()).extracting(SnapshotInfo::name).containsExactly("first", "second");
    assertThat(read.snapshots())
        .extracting(SnapshotInfo::diskSize)
        .containsExactly(1L << 20, 2L << 20);
    assertThat(read.snapshots()).extracting(SnapshotInfo::icount).containsOnly(0L);
    try (Image disk = Images.open(path.toString(), OpenOptions.readOnly())) {
      assertThat(first(disk)).isEqualTo(0x43);
      List<Integer> bytes = new ArrayList<>();
      for (SnapshotInfo snapshot : disk.snapshots()) {
        Image view = disk.snapshot(snapshot);
        assertThat(view.size()).isEqualTo(snapshot.diskSize());
        bytes.add(first(view));
        assertThat(view.nextHole(0)).isEqualTo(4096);
        assertThat(view.nextData(4096)).isEqualTo(-1);
        view.close();
      }
      assertThat(bytes).containsExactly(0x41, 0x42);
      assertThat(first(disk)).isEqualTo(0x43);
    }
  }

  private static int first(Image image) throws ImageException {
    DataBuffer buffer = DataBuffer.allocate(1, 8);
    image.read(0, buffer, 0, 1);
    return buffer.bytes().get(0);
  }

  @Test
  void readsNamesOfTheGreatestLengthAndOfAnyBytes() throws ImageException {
    byte[] longest = new byte[65535];
    java.util.Arrays.fill(longest, (byte) 'n');
    entry(new byte[65535], longest, 16);
    entry(new byte[] {'a', 0, 'b'}, new byte[] {(byte) 0xff, '/', '\n', (byte) 0xc3}, 16);
    SnapshotTable read = read();
    assertThat(read.fault()).isNull();
    assertThat(read.snapshots().get(0).name()).hasSize(65535);
    assertThat(read.snapshots().get(0).id()).hasSize(65535);
    assertThat(read.snapshots().get(1).id()).isEqualTo("a\0b");
    assertThat(read.snapshots().get(1).name()).isEqualTo("\ufffd/\n\ufffd");
  }

  @Test
  void aTableThatTheFileEndsInGivesWhatIsThere() throws ImageException {
    entry("1", "whole", 24);
    long second = entry("2", "cut", 24);
    assertThat(read(at - 10).fault())
        .isEqualTo("snapshot table entry 1 is incomplete: the file ends within it");
    SnapshotTable read = read(second + 39);
    assertThat(read.snapshots()).extracting(SnapshotInfo::name).containsExactly("whole");
    assertThat(read.fault()).isEqualTo("snapshot table entry 1 is past the end of the file");
    assertThat(read.bytes()).isEqualTo(second - table);
  }

  @Test
  void extraDataThatReachesPastTheLargestTableIsAFault() throws ImageException {
    long first = entry("1", "x", 16);
    builder.putInt(first + 36, 0x80000000);
    SnapshotTable read = read();
    assertThat(read.snapshots()).isEmpty();
    assertThat(read.fault())
        .isEqualTo(
            "snapshot table entry 0 reaches past the largest table of 67108864 bytes (extra data"
                + " size at 0x24 is 2147483648)");
  }

  @Test
  void tooManySnapshotsAreAFault() throws ImageException {
    for (long many : new long[] {65537, 4294967295L}) {
      count = (int) many;
      SnapshotTable read = read();
      assertThat(read.snapshots()).isEmpty();
      assertThat(read.fault())
          .isEqualTo(
              "Snapshot table too large (header, nb_snapshots at 0x3c is "
                  + many
                  + "; expected at most 65536)");
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {0, 0x4001, -4096, Long.MIN_VALUE})
  void aBadTableOffsetIsAFault(long offset) throws ImageException {
    builder.putInt(60, 1).putLong(64, offset);
    assertThat(readFile(builder.write(folder.resolve("disk.qcow2"))).fault())
        .isEqualTo(
            String.format(
                "Snapshot table offset invalid (header, snapshots_offset at 0x40 is 0x%x; expected"
                    + " a multiple of the cluster size 4096)",
                offset));
  }

  @Test
  void aTableFarPastTheEndOfTheFileIsAFault() throws ImageException {
    builder.putInt(60, 1).putLong(64, Long.MAX_VALUE & -4096);
    assertThat(readFile(builder.write(folder.resolve("disk.qcow2"))).fault())
        .isEqualTo("snapshot table entry 0 is past the end of the file");
  }

  @Test
  void aTableTheHostCannotReadIsAFault() throws ImageException {
    builder.putInt(60, 1).putLong(64, table);
    Path path = builder.write(folder.resolve("disk.qcow2"));
    try (PosixHostFile file = PosixHostFile.open(path.toString(), false)) {
      HostFile failing =
          (HostFile)
              Proxy.newProxyInstance(
                  getClass().getClassLoader(),
                  new Class<?>[] {HostFile.class},
                  (proxy, method, arguments) -> {
                    throw new ImageException(ErrorKind.IO, "x", "Could not read: bad sector");
                  });
      SnapshotTable read = SnapshotTable.read(failing, Qcow2Opener.readHeader(file));
      assertThat(read.fault()).isEqualTo("snapshot table: Could not read: bad sector");
    }
  }

  @Test
  void aFaultIsAWarningAndTheDiskStillReads() throws ImageException {
    builder.data(0, 0x66);
    builder.putInt(60, -1).putLong(64, table);
    Path path = builder.write(folder.resolve("disk.qcow2"));
    List<String> warnings = new ArrayList<>();
    OpenOptions options = OpenOptions.readOnly().withWarnings(warnings::add);
    try (Image disk = Images.open(path.toString(), options)) {
      assertThat(disk.snapshots()).isEmpty();
      assertThat(first(disk)).isEqualTo(0x66);
    }
    assertThat(warnings)
        .containsExactly(
            path
                + ": Snapshot table too large (header, nb_snapshots at 0x3c is 4294967295; expected"
                + " at most 65536)");
  }

  /** 65,536 entries of 32 KiB names: 2 GiB of text, were it all kept. */
  @Test
  void aTableFullOfLongNamesTakesLittleMemory() throws Exception {
    byte[] name = new byte[32768 - 64];
    builder.putInt(60, 65536).putLong(64, table);
    Path path = builder.write(folder.resolve("disk.qcow2"));
    try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
      byte[] head = new byte[40];
      head[14] = (byte) (name.length >>> 8);
      head[15] = (byte) name.length;
      for (int i = 0; i < 2048; i++) {
        file.seek(table + i * (40L + name.length + 7 & ~7L));
        file.write(head);
      }
      file.setLength(table + 2048 * 32768);
    }
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long before = threads.getCurrentThreadAllocatedBytes();
    SnapshotTable read = readFile(path);
    assertThat(threads.getCurrentThreadAllocatedBytes() - before).isLessThan(40L << 20);
    assertThat(read.snapshots()).hasSize(256);
    assertThat(read.fault())
        .isEqualTo("snapshot table entry 256 brings ids and names to more than 8388608 bytes");
  }

  @Test
  void aTableOf65536ShortEntriesIsReadQuickly() throws ImageException {
    for (int i = 0; i < 65536; i++) {
      entry("" + i, "s" + i, 16);
    }
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long start = threads.getCurrentThreadCpuTime();
    SnapshotTable read = read(at);
    assertThat(read.fault()).isNull();
    assertThat(read.snapshots()).hasSize(65536);
    assertThat(read.snapshots().get(65535).name()).isEqualTo("s65535");
    assertThat(threads.getCurrentThreadCpuTime() - start)
        .as("ns of CPU time")
        .isLessThan(5_000_000_000L);
  }

  // The disk and the state of a snapshot

  private Image openWithSnapshot(long entry, int l1Entries, long l1Offset) throws ImageException {
    builder.putLong(entry, l1Offset).putInt(entry + 8, l1Entries);
    builder.putInt(60, count).putLong(64, table);
    Path path = builder.write(folder.resolve("disk.qcow2"));
    return Images.open(path.toString(), OpenOptions.readOnly());
  }

  @Test
  void aBadL1TableOfASnapshotLeavesTheDiskReadable() throws ImageException {
    long entry = entry("1", "bad", 16);
    builder.data(0, 0x55);
    try (Image disk = openWithSnapshot(entry, 1, 0x3001)) {
      assertThatThrownBy(() -> disk.snapshot(disk.snapshots().get(0)))
          .hasMessageEndingWith(
              "snapshot table entry 0: L1 table offset invalid (0x3001; expected a multiple of the"
                  + " cluster size 4096 inside the file)");
      assertThat(first(disk)).isEqualTo(0x55);
    }
    try (Image disk = openWithSnapshot(entry, -1, 0x3000)) {
      assertThatThrownBy(() -> disk.vmState(disk.snapshots().get(0)))
          .hasMessageEndingWith(
              "snapshot table entry 0: L1 table too large (l1_size is 2147483647; expected at most"
                  + " 4194304)");
    }
    for (long far : new long[] {1L << 40, Long.MIN_VALUE}) {
      try (Image disk = openWithSnapshot(entry, 1, far)) {
        assertThatThrownBy(() -> disk.snapshot(disk.snapshots().get(0)))
            .hasMessageContaining("L1 table offset invalid");
      }
    }
  }

  @Test
  void sizesOf2To63AndMoreAreRefused() throws ImageException {
    long entry = entry("1", "vast", 16);
    for (long size : new long[] {Long.MIN_VALUE, -1, -512}) {
      builder.putLong(entry + 48, size);
      try (Image disk = openWithSnapshot(entry, 1, 0x3000)) {
        SnapshotInfo snapshot = disk.snapshots().get(0);
        assertThatThrownBy(() -> disk.snapshot(snapshot))
            .hasMessageEndingWith("disk size is " + Long.toUnsignedString(size) + " bytes");
        assertThatThrownBy(() -> disk.vmState(snapshot))
            .hasMessageEndingWith("disk size is " + Long.toUnsignedString(size) + " bytes");
      }
    }
    builder.putLong(entry + 48, 4096).putLong(entry + 40, -1);
    try (Image disk = openWithSnapshot(entry, 1, 0x3000)) {
      SnapshotInfo snapshot = disk.snapshots().get(0);
      assertThatThrownBy(() -> disk.vmState(snapshot))
          .hasMessageEndingWith("VM state size is 18446744073709551615 bytes");
    }
  }

  @Test
  void theStateBeginsAtTheFirstL1EntryBehindTheDisk() throws ImageException {
    long entry = entry("1", "state", 16);
    builder.putLong(entry + 40, 5000).putLong(entry + 48, 4096);
    while (builder.end() < at) {
      builder.append(0);
    }
    long l2Disk = builder.append(0);
    long l2State = builder.append(0);
    builder.putLong(l2Disk, builder.append(0x11)).putLong(l2State, builder.append(0x22));
    builder.putLong(l2State + 8, builder.append(0x33));
    long l1 = builder.append(0);
    builder.putLong(l1, l2Disk).putLong(l1 + 8, l2State);
    try (Image disk = openWithSnapshot(entry, 2, l1)) {
      Image state = disk.vmState(disk.snapshots().get(0));
      assertThat(state.size()).isEqualTo(5000);
      assertThat(first(state)).isEqualTo(0x22);
      DataBuffer buffer = DataBuffer.allocate(5000);
      state.read(0, buffer, 0, 5000);
      assertThat(buffer.bytes().get(4095)).isEqualTo((byte) 0x22);
      assertThat(buffer.bytes().get(4999)).isEqualTo((byte) 0x33);
      assertThat(first(disk.snapshot(disk.snapshots().get(0)))).isEqualTo(0x11);
    }
  }
}
