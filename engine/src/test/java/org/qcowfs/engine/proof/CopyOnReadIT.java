package org.qcowfs.engine.proof;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.Test;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.engine.layer.Mapping;
import org.qcowfs.engine.model.SnapshotInfo;
import org.qcowfs.engine.testing.FaultyHostFiles;
import org.qcowfs.engine.testing.FaultyHostFiles.Fault;
import org.qcowfs.engine.testing.RefcountAudit;
import org.qcowfs.engine.testing.Seeds;

/** What is read from below is kept, and never in the place of what a guest wrote. */
class CopyOnReadIT {
  /** Copies on read, while snapshots come and go. */
  private static final ConcurrentIT.Setting COPYING =
      new ConcurrentIT.Setting() {
        @Override
        public boolean wants(Shape shape) {
          return shape.backing() != Shape.Backing.NONE;
        }

        @Override
        public List<Callable<Void>> begin(Image image, Shape shape, Random random)
            throws IOException {
          image.copyOnRead(CopyOnReadIT::fail);
          List<Callable<Void>> meanwhile = new ArrayList<>();
          meanwhile.add(() -> readAnything(image, random.nextLong()));
          if (shape.refcountBits() > 1 && shape.dataFile() == Shape.DataFile.NONE) {
            meanwhile.add(() -> snapshots(image));
          }
          return meanwhile;
        }
      };

  private static void fail(String line) {
    throw new AssertionError(line);
  }

  private static Void readAnything(Image image, long seed) throws IOException {
    Random random = new Random(seed);
    int size = Math.toIntExact(image.size());
    while (!Thread.interrupted()) {
      int at = random.nextInt(size);
      GuestDisk.read(image, at, 1 + random.nextInt(Math.min(size - at, 1 << 18)));
    }
    return null;
  }

  private static Void snapshots(Image image) throws IOException {
    while (!Thread.interrupted()) {
      SnapshotInfo snapshot = image.createSnapshot("now");
      byte[] then = GuestDisk.readAll(image.snapshot(snapshot));
      assertThat(GuestDisk.readAll(image.snapshot(snapshot))).isEqualTo(then);
      for (SnapshotInfo known : image.snapshots()) {
        if (known.name().equals("now")) {
          image.deleteSnapshot(known);
        }
      }
    }
    return null;
  }

  @Test
  void copyingIntoTheClustersThatOthersWriteLosesNothing() {
    Seeds.forEach("stripes", 8, seed -> ConcurrentIT.stripes(seed, 700, COPYING));
    Seeds.forEach("stamps", 8, seed -> ConcurrentIT.stamps(seed, COPYING));
  }

  /** Reads at random, snapshots and writes in between; then all is local, and all is right. */
  @Test
  void whatWasReadIsLocal() {
    Seeds.forEach("local", 24, CopyOnReadIT::local);
  }

  private static void local(long seed) throws Exception {
    Random random = Seeds.random(seed);
    Shape shape;
    do {
      shape = Shape.random(random);
    } while (!COPYING.wants(shape));
    try (Templates templates = new Templates()) {
      Template template = templates.make(shape, seed);
      byte[] disk = template.content().clone();
      byte[] then = null;
      try (Image image = Images.open(template.path(), CrashSequence.WRITABLE)) {
        image.copyOnRead(CopyOnReadIT::fail);
        for (int i = 0; i < 40; i++) {
          int at = random.nextInt(disk.length);
          int length = 1 + random.nextInt(Math.min(disk.length - at, 1 << 17));
          if (random.nextInt(8) == 0) {
            byte[] data = new byte[length];
            random.nextBytes(data);
            GuestDisk.write(image, at, data);
            System.arraycopy(data, 0, disk, at, length);
          }
          if (i == 20 && shape.dataFile() == Shape.DataFile.NONE && shape.refcountBits() > 1) {
            image.createSnapshot("then");
            then = disk.clone();
          }
          requireSame(disk, at, GuestDisk.read(image, at, length), shape);
        }
        requireSame(disk, 0, GuestDisk.readAll(image), shape);
        requireLocal(image, disk, shape);
        requireSame(disk, 0, GuestDisk.readAll(image), shape);
      }
      Tool.check(Path.of(template.path()), false);
      try (Image image = Images.open(template.path(), CrashSequence.READABLE)) {
        requireSame(disk, 0, GuestDisk.readAll(image), shape);
        requireLocal(image, disk, shape);
        if (then != null) {
          SnapshotInfo snapshot = image.snapshots().get(image.snapshots().size() - 1);
          requireSame(then, 0, GuestDisk.readAll(image.snapshot(snapshot)), shape);
        }
      }
    }
  }

  /** Whatever the host refuses while a copy is made, the read is right and the image is sound. */
  @Test
  void aFailedCopyFailsNoRead() {
    Seeds.forEach("faults", 6, CopyOnReadIT::faults);
  }

  private static void faults(long seed) throws Exception {
    Random random = Seeds.random(seed);
    Shape shape;
    do {
      shape = Shape.random(random);
    } while (!COPYING.wants(shape));
    try (Templates templates = new Templates()) {
      Template template = templates.make(shape, seed);
      for (int n = 1; n < 12; n++) {
        FaultyHostFiles files = new FaultyHostFiles(template.inMemory());
        List<String> log = new ArrayList<>();
        try (Image image = Images.open(template.path(), CrashSequence.WRITABLE, files)) {
          image.copyOnRead(log::add);
          files.arm(new Fault(FaultyHostFiles.GROWING, n, 1, Errno.ENOSPC, n % 2 == 0));
          requireSame(template.content(), 0, GuestDisk.readAll(image), shape);
          requireSame(template.content(), 0, GuestDisk.readAll(image), shape);
          assertThat(log).hasSize(files.hit() == null ? 0 : 1);
          files.arm(null);
        }
        assertThat(RefcountAudit.check(files.open(template.path(), false)).clean()).isTrue();
        try (Image image = Images.open(template.path(), CrashSequence.READABLE, files)) {
          requireSame(template.content(), 0, GuestDisk.readAll(image), shape);
        }
      }
    }
  }

  private static void requireSame(byte[] disk, int at, byte[] found, Shape shape) {
    int wrong = Arrays.mismatch(Arrays.copyOfRange(disk, at, at + found.length), found);
    if (wrong >= 0) {
      throw new AssertionError(String.format("%s: byte 0x%x is wrong", shape, at + wrong));
    }
  }

  /** Only version 2, which cannot say zero above a backing file, leaves zeroes below. */
  private static void requireLocal(Image image, byte[] disk, Shape shape) {
    Mapping mapping = new Mapping();
    for (long at = 0; at < image.size(); at += mapping.length()) {
      image.resolve(at, image.size() - at, mapping);
      if (mapping.depth() > 0 || mapping.kind() == Mapping.Kind.UNALLOCATED) {
        for (long i = at; i < at + mapping.length(); i++) {
          if (shape.version() > 2 || disk[(int) i] != 0) {
            throw new AssertionError(String.format("%s: 0x%x is not local", shape, i));
          }
        }
      }
    }
  }
}
