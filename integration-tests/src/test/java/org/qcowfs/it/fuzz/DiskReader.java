package org.qcowfs.it.fuzz;

import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.layer.Mapping;

/** Reads disks sector by sector and asks of each where it can come from. */
final class DiskReader {
  /** What {@link #read} gives for a sector that cannot be read. */
  static final long UNREADABLE = 0x0bad0bad0bad0badL;

  private static final int PIECE = 64 << 10;
  private static final int MOST_STEPS = 50_000;

  private final DataBuffer buffer = DataBuffer.allocate(PIECE);
  private final Mapping mapping = new Mapping();
  private final Sectors own;
  private final Verdict verdict;

  DiskReader(Sectors own, Verdict verdict) {
    this.own = own;
    this.verdict = verdict;
  }

  /**
   * Reads a disk's first {@code limit} bytes.
   *
   * @return a fingerprint for each whole sector
   */
  long[] read(Image disk, long limit) {
    Set<Long> ends = new HashSet<>();
    for (int depth = 0; depth < disk.depth(); depth++) {
      ends.add(disk.layer(depth).size() / Sectors.SIZE);
    }
    long size = Math.min(disk.size(), limit) / Sectors.SIZE * Sectors.SIZE;
    long[] sectors = new long[(int) (size / Sectors.SIZE)];
    Arrays.fill(sectors, UNREADABLE);
    int steps = 0;
    for (long at = 0; at < size && steps < MOST_STEPS; steps++) {
      disk.resolve(at, Math.min(PIECE, size - at), mapping);
      int length = (int) mapping.length();
      if (length <= 0 || length > PIECE) {
        verdict.fault("a mapping of " + length + " bytes at " + at);
        break;
      }
      // A layer may end within a sector.
      length = at % Sectors.SIZE == 0 && length % Sectors.SIZE == 0 ? length : Sectors.SIZE;
      at = at / Sectors.SIZE * Sectors.SIZE;
      piece(disk, at, length, mapping.kind(), sectors, ends);
      at += length;
    }
    return sectors;
  }

  private void piece(
      Image disk, long at, int length, Mapping.Kind kind, long[] sectors, Set<Long> ends) {
    boolean whole = fill(disk, at, length);
    if (whole && kind == Mapping.Kind.DAMAGED && length > Sectors.SIZE) {
      verdict.fault("damaged and yet read at " + at);
    }
    for (int i = 0; i < length; i += Sectors.SIZE) {
      if (!whole && (kind != Mapping.Kind.DATA || !fill(disk, at + i, Sectors.SIZE))) {
        continue;
      }
      int position = whole ? i : 0;
      long fingerprint = Sectors.fingerprint(buffer.bytes(), position);
      long index = (at + i) / Sectors.SIZE;
      sectors[(int) index] = fingerprint;
      if (own.has(fingerprint) || ends.contains(index)) {
        continue;
      }
      String foreign = Sectors.foreign(buffer.bytes(), position, Sectors.SIZE);
      if (foreign != null || kind != Mapping.Kind.COMPRESSED) {
        verdict.fault(
            (foreign == null ? "a sector of no file" : foreign)
                + String.format(" at 0x%x, %s", at + i, kind));
        return;
      }
    }
  }

  private boolean fill(Image disk, long at, int length) {
    for (int i = 0; i < length; i++) {
      buffer.bytes().put(i, Sectors.POISON);
    }
    try {
      disk.read(at, buffer, 0, length);
      return true;
    } catch (ImageException e) {
      verdict.harmless(String.valueOf(e.getMessage()), false);
      return false;
    }
  }

  /** Walks data and holes; what is called a hole must read as zeroes. */
  void seek(Image disk) throws ImageException {
    long at = 0;
    for (int steps = 0; steps < 2000 && at < disk.size(); steps++) {
      long data = disk.nextData(at);
      if (data >= 0 && data < at) {
        verdict.fault("data at " + data + " after " + at);
      }
      long hole = data == at ? at : -1;
      if (hole < 0 && data != at && disk.size() - at >= Sectors.SIZE) {
        disk.read(at, buffer, 0, Sectors.SIZE);
        long until = data < 0 ? disk.size() : data;
        for (int i = 0; i < Math.min(Sectors.SIZE, until - at); i++) {
          if (buffer.bytes().get(i) != 0) {
            verdict.fault("a hole that is not zero at " + at);
            return;
          }
        }
      }
      if (data < 0) {
        return;
      }
      at = disk.nextHole(data);
      if (at <= data) {
        verdict.fault("a hole at " + at + " behind data at " + data);
        return;
      }
    }
  }
}
