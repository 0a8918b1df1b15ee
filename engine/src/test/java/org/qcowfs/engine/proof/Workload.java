package org.qcowfs.engine.proof;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.qcowfs.engine.proof.GuestOperation.Allocate;
import org.qcowfs.engine.proof.GuestOperation.ApplySnapshot;
import org.qcowfs.engine.proof.GuestOperation.CreateSnapshot;
import org.qcowfs.engine.proof.GuestOperation.DeleteSnapshot;
import org.qcowfs.engine.proof.GuestOperation.Flush;
import org.qcowfs.engine.proof.GuestOperation.Reopen;
import org.qcowfs.engine.proof.GuestOperation.Write;
import org.qcowfs.engine.proof.GuestOperation.Zero;

/** Draws guest requests that like the places where writers go wrong. */
final class Workload {
  private final Random random;
  private final int size;
  private final int cluster;
  private final boolean aligned;
  private final int longest;
  private final boolean snapshots;
  private final boolean compressing;
  private int hot;

  private Workload(Random random, Shape shape, int longest) {
    this.random = random;
    this.size = shape.size();
    this.cluster = shape.clusterSize();
    this.aligned = random.nextInt(3) == 0;
    this.longest = longest;
    this.snapshots = shape.dataFile() == Shape.DataFile.NONE && random.nextInt(3) == 0;
    this.compressing =
        shape.dataFile() == Shape.DataFile.NONE && cluster <= longest && random.nextInt(4) == 0;
    this.hot = random.nextInt(size);
  }

  /** {@code count} requests for a disk of {@code shape}; reopens are rare, flushes are not. */
  static List<GuestOperation> draw(Random random, Shape shape, int count) {
    return draw(random, shape, count, 1 << 20);
  }

  /** As {@link #draw(Random, Shape, int)}, of at most {@code longest} bytes each. */
  static List<GuestOperation> draw(Random random, Shape shape, int count, int longest) {
    Workload workload = new Workload(random, shape, longest);
    List<GuestOperation> operations = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      operations.add(workload.next());
    }
    return operations;
  }

  private GuestOperation next() {
    int what = random.nextInt(100);
    if (what < 9) {
      return new Flush();
    }
    if (what < 12) {
      return new Reopen();
    }
    if (snapshots && random.nextInt(8) == 0) {
      return switch (random.nextInt(8)) {
        case 0, 1, 2 -> new CreateSnapshot("live" + random.nextInt(5));
        case 3, 4, 5, 6 -> new DeleteSnapshot(random.nextInt(4));
        default -> new ApplySnapshot(random.nextInt(4));
      };
    }
    if (compressing && random.nextInt(5) == 0) {
      int at = offset() / cluster * cluster;
      int most = Math.min(longest / cluster, 8);
      int bytes = Math.min((1 + random.nextInt(most)) * cluster, size - at);
      return new Write(at, bytes, random.nextInt(1 << 30), true);
    }
    int offset = offset();
    int length = length(offset);
    if (what < 32) {
      return new Zero(offset, length, random.nextInt(3) > 0);
    }
    if (what < 36) {
      return new Allocate(offset, length);
    }
    return new Write(
        offset, length, random.nextInt(12) == 0 ? 0 : 1 + random.nextInt(1 << 30), false);
  }

  private int offset() {
    int at =
        switch (random.nextInt(6)) {
          case 0 -> random.nextInt(size);
          case 1 -> random.nextInt(size) / cluster * cluster;
          case 2 -> random.nextInt(size) / cluster * cluster + random.nextInt(1024) - 512;
          case 3 -> size - 1 - random.nextInt(Math.min(size, 2 * cluster));
          default -> hot + random.nextInt(2 * cluster) - cluster;
        };
    if (random.nextInt(12) == 0) {
      hot = random.nextInt(size);
    }
    at = Math.max(0, Math.min(size - 1, at));
    return aligned ? at & -512 : random.nextInt(3) == 0 ? at & -4096 : at;
  }

  private int length(int offset) {
    int length =
        switch (random.nextInt(7)) {
          case 0 -> 1 + random.nextInt(600);
          case 1 -> 512 * (1 + random.nextInt(16));
          case 2 -> 4096;
          case 3 -> cluster;
          case 4 -> cluster - offset % cluster;
          case 5 -> 1 + random.nextInt(2 * cluster);
          default -> 1 + random.nextInt(Math.min(size, 8 * cluster + 65536));
        };
    if (aligned) {
      length = length + 511 & -512;
    }
    return Math.min(Math.min(length, longest), size - offset);
  }
}
