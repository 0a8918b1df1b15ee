package org.qcowfs.it.corpus;

import java.nio.file.Path;
import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import org.qcowfs.it.support.QemuIo;

/** Fills a part of a disk with changes of every kind, the same for the same seed. */
public final class Scatter {
  private final QemuIo script;
  private final Random random;
  private final long size;
  private final int unit;
  private final Set<Long> compressed = new HashSet<>();

  private Scatter(QemuIo script, long seed, long size, int unit) {
    this.script = script;
    this.random = new Random(seed);
    this.size = size;
    this.unit = unit;
  }

  /**
   * Begins a script on a qcow2 image.
   *
   * @param size guest disk size in bytes
   * @param unit offsets and lengths are multiples of this, 512 at least
   */
  public static Scatter on(Path image, long seed, long size, int unit) {
    return new Scatter(QemuIo.on(image), seed, size, unit);
  }

  /** {@code count} writes of up to {@code longest} units of constant bytes. */
  public Scatter writes(int count, int longest) {
    for (int i = 0; i < count; i++) {
      long[] range = range(longest);
      script.write(1 + random.nextInt(255), range[0], range[1]);
    }
    return this;
  }

  /** {@code count} ranges made zero: some keep their clusters, some give them back. */
  public Scatter zeroes(int count, int longest) {
    for (int i = 0; i < count; i++) {
      long[] range = range(longest);
      if (random.nextBoolean()) {
        script.zero(range[0], range[1]);
      } else {
        script.zeroUnmap(range[0], range[1]);
      }
    }
    return this;
  }

  /** {@code count} ranges discarded. */
  public Scatter discards(int count, int longest) {
    for (int i = 0; i < count; i++) {
      long[] range = range(longest);
      script.discard(range[0], range[1]);
    }
    return this;
  }

  /**
   * {@code count} single compressed clusters, each a different one and before anything else: QEMU
   * refuses to compress over an ordinary cluster, which is also what noise becomes. {@code unit}
   * must be the cluster size.
   */
  public Scatter compressed(int count, Path source) {
    for (int i = 0; i < count; ) {
      long offset = range(1)[0];
      if (compressed.add(offset)) {
        script.writeCompressedFrom(source, offset, unit);
        i++;
      }
    }
    return this;
  }

  private long[] range(int longest) {
    long units = size / unit;
    long first = (long) (random.nextDouble() * units);
    long count = 1 + random.nextInt((int) Math.min(longest, units - first));
    return new long[] {first * unit, count * unit};
  }

  public void run() {
    script.run();
  }
}
