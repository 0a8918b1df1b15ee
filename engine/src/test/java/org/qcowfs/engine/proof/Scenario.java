package org.qcowfs.engine.proof;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.qcowfs.engine.proof.GuestOperation.Allocate;
import org.qcowfs.engine.proof.GuestOperation.ApplySnapshot;
import org.qcowfs.engine.proof.GuestOperation.CreateSnapshot;
import org.qcowfs.engine.proof.GuestOperation.DeleteSnapshot;
import org.qcowfs.engine.proof.GuestOperation.Flush;
import org.qcowfs.engine.proof.GuestOperation.Reopen;
import org.qcowfs.engine.proof.GuestOperation.Write;
import org.qcowfs.engine.proof.GuestOperation.Zero;

/**
 * Short, chosen work that goes through one thing a writer must get right: what power cuts and
 * failing calls are tried on at every point.
 */
enum Scenario {
  ALLOCATING(Shape.plain(16, 1 << 20)) {
    @Override
    List<GuestOperation> operations() {
      return list(
          write(1, 0x100, 300),
          write(2, 0x1_f000, 0x2000),
          FLUSH,
          write(3, 0x5_0000, 0x2_0000),
          write(4, 0x100, 5000),
          FLUSH,
          write(5, 0x5_1234, 0x100),
          write(6, 0xf_0000, 0x1_0000));
    }
  },

  /** A 512-byte refcount block covers 256 clusters, a 512-byte table 64 blocks: both grow. */
  REFCOUNT_GROWTH(Shape.plain(9, 512 << 10)) {
    @Override
    List<GuestOperation> operations() {
      return list(
          write(1, 0, 90_000),
          FLUSH,
          write(2, 100_000, 150_000),
          write(3, 300_000, 512),
          FLUSH,
          write(4, 320_000, 100_000),
          REOPEN,
          write(5, 450_000, 70_000));
    }
  },

  /** With 64-bit refcounts a 512-byte table covers 4096 clusters, 2 MiB: it must move. */
  REFCOUNT_TABLE_GROWTH(Shape.plain(9, 4 << 20).withRefcountBits(64)) {
    @Override
    List<GuestOperation> operations() {
      return list(
          write(1, 0, 1 << 20),
          write(2, 1 << 20, (1 << 20) - (1 << 17)),
          FLUSH,
          write(3, 1_900_000, 400_000),
          write(4, 3_000_000, 5000),
          FLUSH,
          write(5, 3_200_000, 200_000));
    }

    @Override
    int cuts() {
      return 1;
    }
  },

  /** A 512-byte L2 table maps 32 KiB. */
  L2_ALLOCATION(Shape.plain(9, 512 << 10)) {
    @Override
    List<GuestOperation> operations() {
      List<GuestOperation> operations = new ArrayList<>();
      for (int i = 0; i < 12; i++) {
        operations.add(write(i + 1, i * 40_000 + 7, 600));
        if (i % 4 == 3) {
          operations.add(FLUSH);
        }
      }
      return operations;
    }
  },

  AFTER_SNAPSHOT(Shape.plain(12, 256 << 10).withContent(false).withSnapshots(1)) {
    @Override
    List<GuestOperation> operations() {
      return list(
          write(1, 0x100, 0x3000),
          write(2, 0x1_0000, 512),
          FLUSH,
          new Zero(0x2000, 0x8000, true),
          write(3, 0x4000, 0x1000),
          FLUSH,
          write(4, 0x1_0000, 0x2_0000),
          new Zero(0x1_8000, 0x4000, true),
          write(5, 0x200, 0x200));
    }
  },

  DISCARD_AND_REUSE(Shape.plain(12, 256 << 10)) {
    @Override
    List<GuestOperation> operations() {
      return list(
          write(1, 0, 0x2_0000),
          FLUSH,
          new Zero(0, 0x1_0000, true),
          write(2, 0x3_0000, 0x8000),
          FLUSH,
          write(3, 0x2_0000, 0x1_0000),
          new Zero(0x1_0800, 0x3000, true),
          new Zero(0x2_0000, 0x2000, false),
          FLUSH,
          write(4, 0x800, 0x9000),
          write(5, 0x2_0100, 0x200),
          new Zero(0x3_0000, 0x8000, true),
          FLUSH,
          write(6, 0x3_1000, 0x4000));
    }
  },

  COMPRESSED_REWRITTEN(Shape.plain(12, 256 << 10).withContent(true)) {
    @Override
    List<GuestOperation> operations() {
      return list(
          write(1, 0, 0x8000),
          write(2, 0x1_0010, 0x20),
          FLUSH,
          new Zero(0x8000, 0x1_0000, true),
          write(3, 0x2_0100, 0x1_0000),
          FLUSH,
          write(4, 0x9000, 0x3000));
    }
  },

  COMPRESSING(Shape.plain(12, 256 << 10).withContent(true)) {
    @Override
    List<GuestOperation> operations() {
      return list(
          compressed(1, 0, 0x4000),
          write(2, 0x2_0010, 0x20),
          FLUSH,
          compressed(3, 0x2000, 0x8000),
          new Zero(0, 0x3000, true),
          compressed(4, 0x2_0000, 0x2000),
          FLUSH,
          write(5, 0x2800, 0x1000),
          compressed(6, 0x1000, 0x3000),
          FLUSH,
          new Zero(0x1000, 0xa000, true),
          FLUSH,
          compressed(7, 0x3_0000, 0x8000));
    }
  },

  /** Two compressed clusters to a host cluster is more than such refcounts count. */
  COMPRESSING_NARROW(
      Shape.plain(12, 256 << 10).withRefcountBits(1).withBacking(Shape.Backing.QCOW2)) {
    @Override
    List<GuestOperation> operations() {
      return COMPRESSING.operations();
    }
  },

  COMPRESSING_AFTER_SNAPSHOT(
      Shape.plain(14, 256 << 10).withExtendedL2().withContent(true).withSnapshots(1)) {
    @Override
    List<GuestOperation> operations() {
      return list(
          compressed(1, 0, 0xc000),
          FLUSH,
          new CreateSnapshot("one"),
          write(2, 0x1800, 0x200),
          compressed(3, 0x4000, 0x8000),
          new DeleteSnapshot(1),
          compressed(4, 0x1_0000, 0x1_0000),
          FLUSH,
          compressed(5, 0, 0x8000));
    }
  },

  SUBCLUSTERS(Shape.plain(16, 512 << 10).withExtendedL2()) {
    @Override
    List<GuestOperation> operations() {
      return list(
          write(1, 0x1000, 0x1000),
          FLUSH,
          write(2, 0x2100, 0x300),
          write(3, 0x8000, 0x800),
          FLUSH,
          new Zero(0x1000, 0x2000, true),
          write(4, 0xf000, 0x2_0000),
          FLUSH,
          new Zero(0x1_1000, 0x800, false),
          write(5, 0x1800, 0x100),
          FLUSH,
          new Zero(0x1_0000, 0x1_0000, true),
          write(6, 0x1_4000, 0x1000));
    }
  },

  SUBCLUSTERS_AFTER_SNAPSHOT(
      Shape.plain(14, 256 << 10).withExtendedL2().withSnapshots(1).withBacking(Shape.Backing.RAW)) {
    @Override
    List<GuestOperation> operations() {
      return list(
          write(1, 0x1000, 0x200),
          write(2, 0x4100, 0x2000),
          FLUSH,
          write(3, 0x1300, 0x200),
          new Zero(0x5000, 0x1000, true),
          write(4, 0x1_0000, 0x1_0000),
          FLUSH,
          new Zero(0x1_2000, 0x3000, false),
          write(5, 0x1_2400, 0x400));
    }
  },

  OVERLAY(Shape.plain(16, 512 << 10).withBacking(Shape.Backing.RAW)) {
    @Override
    List<GuestOperation> operations() {
      return list(
          write(1, 0x100, 0x100),
          write(2, 0x1_8000, 0x1_0000),
          FLUSH,
          new Zero(0x3_0000, 0x1_0000, true),
          new Zero(0x100, 0x80, true),
          write(3, 0x4_fff0, 0x20),
          FLUSH,
          write(4, 0x3_8000, 0x1000),
          write(5, 0x1_0000, 0x2_0000));
    }
  },

  NARROW_REFCOUNTS(
      Shape.plain(12, 512 << 10).withRefcountBits(1).withBacking(Shape.Backing.QCOW2)) {
    @Override
    List<GuestOperation> operations() {
      return list(
          write(1, 0x123, 0x4000),
          FLUSH,
          new Zero(0x1000, 0x2000, true),
          write(2, 0x2_0000, 0x2_0000),
          FLUSH,
          write(3, 0x1800, 0x1000));
    }
  },

  DATA_FILE(Shape.plain(16, 512 << 10).withDataFile(Shape.DataFile.OTHER)) {
    @Override
    List<GuestOperation> operations() {
      return list(
          write(1, 0x123, 0x4000),
          FLUSH,
          new Zero(0x1000, 0x2000, true),
          write(2, 0x2_0000, 0x2_0000),
          new Zero(0x2_0000, 0x1_0000, true),
          FLUSH,
          write(3, 0x1800, 0x1000));
    }
  },

  RAW_DATA_FILE(Shape.plain(16, 512 << 10).withDataFile(Shape.DataFile.RAW)) {
    @Override
    List<GuestOperation> operations() {
      return DATA_FILE.operations();
    }
  },

  PREALLOCATING(Shape.plain(12, 256 << 10)) {
    @Override
    List<GuestOperation> operations() {
      return list(
          new Allocate(0, 0x1_0000),
          FLUSH,
          write(1, 0x800, 0x2000),
          new Allocate(0x8000, 0x1_0000),
          write(2, 0x1_4000, 0x1000),
          FLUSH,
          new Zero(0, 0x4000, false),
          write(3, 0x400, 0x100));
    }
  },

  SNAPSHOTS(Shape.plain(12, 256 << 10).withContent(true).withSnapshots(1)) {
    @Override
    List<GuestOperation> operations() {
      return list(
          write(1, 0x100, 0x3000),
          new CreateSnapshot("one"),
          write(2, 0x1100, 0x4000),
          FLUSH,
          new Zero(0x1_0000, 0x2000, true),
          new CreateSnapshot("two"),
          write(3, 0x2000, 0x2000),
          new DeleteSnapshot(1),
          write(4, 0x1800, 0x1_0000),
          new DeleteSnapshot(0),
          write(5, 0x3_0000, 0x4000),
          new ApplySnapshot(0),
          write(6, 0x1_1000, 0x2000));
    }
  },

  /** With 512-byte clusters a snapshot needs new refcount blocks for itself. */
  SNAPSHOTS_OF_SMALL_CLUSTERS(Shape.plain(9, 128 << 10).withBacking(Shape.Backing.SHORTER)) {
    @Override
    List<GuestOperation> operations() {
      return list(
          write(1, 0x100, 0xa000),
          new CreateSnapshot("one"),
          write(2, 0x1100, 0x4000),
          new CreateSnapshot("two"),
          write(3, 0x1_0000, 0x4000),
          new DeleteSnapshot(0),
          write(4, 0x1_8000, 0x4000));
    }

    @Override
    int cuts() {
      return 3;
    }
  };

  private static final Flush FLUSH = new Flush();
  private static final Reopen REOPEN = new Reopen();

  private final Shape shape;

  Scenario(Shape shape) {
    this.shape = shape;
  }

  Shape shape() {
    return shape;
  }

  /** The work. */
  abstract List<GuestOperation> operations();

  /** Power cuts to try at each point. */
  int cuts() {
    return 6;
  }

  private static Write write(int fill, int offset, int length) {
    return new Write(offset, length, fill, false);
  }

  private static Write compressed(int fill, int offset, int length) {
    return new Write(offset, length, fill, true);
  }

  private static List<GuestOperation> list(GuestOperation... operations) {
    return Arrays.asList(operations);
  }
}
