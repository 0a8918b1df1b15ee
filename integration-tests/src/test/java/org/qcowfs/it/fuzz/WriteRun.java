package org.qcowfs.it.fuzz;

import java.util.Random;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.model.SnapshotInfo;

/** Random requests to a writable disk, and what it must then read as. */
final class WriteRun {
  private static final int LARGEST = 128 << 10;
  private static final String[] NAMES = {"new", "new", "\033[2J", "a/b", "", "x".repeat(300)};

  private final Image disk;
  private final Verdict verdict;
  private final Random random;
  private final long[] expected;
  private final DataBuffer buffer = DataBuffer.allocate(LARGEST);
  private boolean applied;

  /**
   * @param expected a fingerprint for each of the first sectors; changed by each request
   */
  WriteRun(Image disk, Verdict verdict, Random random, long[] expected) {
    this.disk = disk;
    this.verdict = verdict;
    this.random = random;
    this.expected = expected;
  }

  void run() {
    int count = 3 + random.nextInt(15);
    for (int i = 0; i < count && disk.size() >= Sectors.SIZE; i++) {
      once();
    }
    verdict.attempt("flush", disk::flush);
  }

  private void once() {
    long most = disk.size() / Sectors.SIZE;
    long near = Math.min(most, Math.max(1, expected.length));
    long first = random.nextInt(10) > 0 ? random.nextLong(near) : random.nextLong(most);
    long count = Math.min(most - first, 1 + random.nextInt(random.nextInt(4) > 0 ? 16 : 256));
    long at = first * Sectors.SIZE;
    int length = (int) (count * Sectors.SIZE);
    switch (random.nextInt(10)) {
      case 0 -> zero(at, length, false);
      case 1 -> zero(at, length, true);
      case 2 -> verdict.attempt("allocate", () -> disk.allocate(at, length));
      case 3 -> verdict.attempt("flush", disk::flush);
      case 4 -> snapshots();
      default -> write(at, length);
    }
  }

  private void write(long at, int length) {
    byte[] pattern = new byte[8];
    random.nextBytes(pattern);
    for (int i = 0; i < length; i++) {
      buffer.bytes().put(i, (byte) (pattern[i & 7] + (i >>> 9)));
    }
    boolean done = verdict.attempt("write", () -> disk.write(at, buffer, 0, length));
    for (int i = 0; i < length; i += Sectors.SIZE) {
      expect(at + i, done ? Sectors.fingerprint(buffer.bytes(), i) : DiskReader.UNREADABLE);
    }
  }

  private void zero(long at, int length, boolean unmap) {
    boolean done = verdict.attempt("zero", () -> disk.zero(at, length, unmap));
    buffer.zero(0, Sectors.SIZE);
    long zero = Sectors.fingerprint(buffer.bytes(), 0);
    for (int i = 0; i < length; i += Sectors.SIZE) {
      expect(at + i, done ? zero : DiskReader.UNREADABLE);
    }
  }

  private void expect(long at, long fingerprint) {
    if (at / Sectors.SIZE < expected.length) {
      expected[(int) (at / Sectors.SIZE)] = fingerprint;
    }
  }

  private void snapshots() {
    if (disk.snapshots().isEmpty() || random.nextInt(3) > 0) {
      String name = NAMES[random.nextInt(NAMES.length)];
      verdict.attempt("snapshot", () -> disk.createSnapshot(name));
      return;
    }
    SnapshotInfo some = disk.snapshots().get(random.nextInt(disk.snapshots().size()));
    if (random.nextInt(4) > 0) {
      verdict.attempt("delete snapshot", () -> disk.deleteSnapshot(some));
    } else {
      applied = true;
      verdict.attempt("apply snapshot", () -> disk.applySnapshot(some));
    }
  }

  /** Compares the first sectors with what they must be. */
  void compare(Image now) {
    if (applied) {
      return; // the disk is another
    }
    for (int i = 0; i < expected.length; i++) {
      if (expected[i] == DiskReader.UNREADABLE) {
        continue;
      }
      try {
        now.read((long) i * Sectors.SIZE, buffer, 0, Sectors.SIZE);
      } catch (ImageException e) {
        verdict.fault("not readable any more: " + e.getMessage());
        return;
      }
      if (Sectors.fingerprint(buffer.bytes(), 0) != expected[i]) {
        verdict.fault(String.format("other bytes than before at 0x%x", i * 512L));
        return;
      }
    }
  }

  /** Reads here and there in a disk too large to be read. */
  static void readAnywhere(Image disk, Random random) {
    DataBuffer buffer = DataBuffer.allocate(4096);
    for (int i = 0; i < 50; i++) {
      try {
        disk.read(random.nextLong(disk.size() - 4096), buffer, 0, 4096);
      } catch (ImageException e) {
        // Damaged there.
      }
    }
  }
}
