package org.qcowfs.engine.proof;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.testing.Seeds;

/** Many threads at once, on different clusters and on the same. */
class ConcurrentIT {
  private static final int THREADS = 6;

  /**
   * Each thread writes and zeroes bytes of its own, in stripes that cross sectors and clusters
   * anyhow; whatever the others do, it always finds its own bytes.
   */
  @ParameterizedTest
  @ValueSource(ints = {100, 700, 5000})
  void neighboursInOneClusterDoNotLoseEachOthersBytes(int stripe) {
    Seeds.forEach("stripes of " + stripe, 8, seed -> stripes(seed, stripe, Setting.PLAIN));
  }

  /** What else is so while the threads work. */
  interface Setting {
    /** Any image, nothing else going on. */
    Setting PLAIN = new Setting() {};

    /** Whether images of a shape are of interest. */
    default boolean wants(Shape shape) {
      return true;
    }

    /** Prepares the open image and says what is done meanwhile, until the interrupt. */
    default List<Callable<Void>> begin(Image image, Shape shape, Random random) throws IOException {
      return List.of();
    }
  }

  private static Shape shape(Random random, Setting setting) {
    Shape shape;
    do {
      shape = Shape.random(random);
    } while (shape.clusterBits() > 17 || !setting.wants(shape));
    return shape.withSize(Math.max(1 << 18, 4 << shape.clusterBits()));
  }

  static void stripes(long seed, int stripe, Setting setting) throws Exception {
    Random random = Seeds.random(seed);
    Shape shape = shape(random, setting);
    try (Templates templates = new Templates()) {
      Template template = templates.make(shape, seed);
      byte[] all = template.content().clone();
      try (Image image = Images.open(template.path(), CrashSequence.WRITABLE)) {
        List<Callable<Void>> tasks = new ArrayList<>(setting.begin(image, shape, random));
        int others = tasks.size();
        for (int t = 0; t < THREADS; t++) {
          int lane = t;
          long own = random.nextLong();
          tasks.add(() -> work(image, all, lane, stripe, new Random(own)));
        }
        all(tasks, others);
        int at = Arrays.mismatch(all, GuestDisk.readAll(image));
        if (at >= 0) {
          throw new AssertionError(String.format("%s: byte 0x%x is wrong at the end", shape, at));
        }
        GuestDisk.verifyHoles(image, all);
      }
      Tool.check(Path.of(template.path()), false);
      try (Image image = Images.open(template.path(), CrashSequence.READABLE)) {
        int at = Arrays.mismatch(all, GuestDisk.readAll(image));
        if (at >= 0) {
          throw new AssertionError(String.format("%s: byte 0x%x is wrong on disk", shape, at));
        }
      }
    }
  }

  /** The lanes' bytes in {@code all} are disjoint, so each thread may change its own. */
  private static Void work(Image image, byte[] all, int lane, int stripe, Random random)
      throws IOException {
    int stripes = all.length / (stripe * THREADS);
    for (int i = 0; i < 300; i++) {
      int within = random.nextInt(stripe);
      int length = 1 + random.nextInt(stripe - within);
      // Mostly the same few clusters: that is where writers meet.
      int row =
          random.nextInt(4) > 0 ? random.nextInt(Math.min(stripes, 8)) : random.nextInt(stripes);
      int offset = (row * THREADS + lane) * stripe + within;
      int what = random.nextInt(20);
      if (what < 3) {
        Arrays.fill(all, offset, offset + length, (byte) 0);
        image.zero(offset, length, random.nextBoolean());
      } else if (what < 12) {
        byte[] data = new byte[length];
        random.nextBytes(data);
        System.arraycopy(data, 0, all, offset, length);
        GuestDisk.write(image, offset, data);
      } else if (what < 13) {
        image.flush();
      } else if (what < 14) {
        image.allocate(offset, length);
      }
      byte[] found = GuestDisk.read(image, offset, length);
      int at = Arrays.mismatch(found, Arrays.copyOfRange(all, offset, offset + length));
      if (at >= 0) {
        throw new AssertionError(
            String.format("request %d of lane %d: byte 0x%x is wrong", i, lane, offset + at));
      }
    }
    return null;
  }

  /** Overlapping requests: every sector ends as one request left it that no other came after. */
  @Test
  void overlappingRequestsEndInSomeOrder() {
    Seeds.forEach("stamps", 16, seed -> stamps(seed, Setting.PLAIN));
  }

  static void stamps(long seed, Setting setting) throws Exception {
    Random random = Seeds.random(seed);
    Shape shape = shape(random, setting);
    try (Templates templates = new Templates()) {
      Template template = templates.make(shape, seed);
      StampedDisk stamps = new StampedDisk(template.content());
      try (Image image = Images.open(template.path(), CrashSequence.WRITABLE)) {
        List<Callable<Void>> tasks = new ArrayList<>(setting.begin(image, shape, random));
        int others = tasks.size();
        for (int t = 0; t < THREADS; t++) {
          Random own = new Random(random.nextLong());
          tasks.add(() -> stamps.work(image, shape.clusterSize(), own, 200));
        }
        all(tasks, others);
        stamps.verify(GuestDisk.readAll(image));
      } catch (AssertionError e) {
        throw new AssertionError(shape + ": " + e.getMessage(), e);
      }
      Tool.check(Path.of(template.path()), false);
      try (Image image = Images.open(template.path(), CrashSequence.READABLE)) {
        stamps.verify(GuestDisk.readAll(image));
      }
    }
  }

  /** Runs all at once; when the rest has ended, the first {@code others} are interrupted. */
  private static void all(List<Callable<Void>> tasks, int others) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(tasks.size());
    try {
      List<Future<Void>> running = new ArrayList<>();
      for (Callable<Void> task : tasks) {
        running.add(threads.submit(task));
      }
      for (int i = others; i < running.size() + others; i++) {
        if (i == running.size()) {
          threads.shutdownNow();
        }
        running.get(i % running.size()).get();
      }
    } catch (ExecutionException e) {
      throw new AssertionError(e.getCause());
    } finally {
      threads.shutdownNow();
      if (!threads.awaitTermination(60, TimeUnit.SECONDS)) {
        throw new AssertionError("a thread does not end");
      }
    }
  }
}
