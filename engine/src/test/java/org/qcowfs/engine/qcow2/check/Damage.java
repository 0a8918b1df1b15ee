package org.qcowfs.engine.qcow2.check;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.qcowfs.engine.qcow2.format.Geometry;

/** Damages an image's metadata: seeded, a few bytes at a time, in every structure. */
final class Damage {
  /** A field: where and how many bytes (1, 2, 4 or 8). */
  private record Field(int at, int width) {}

  private static final int[][] HEADER = {
    {4, 4}, {8, 8}, {16, 4}, {20, 4}, {24, 8}, {32, 4}, {36, 4}, {40, 8}, {48, 8}, {56, 4}, {60, 4},
    {64, 8}, {72, 8}, {80, 8}, {88, 8}, {96, 4}, {100, 4}, {104, 1}, {112, 4}, {116, 4}, {120, 8},
    {128, 8}, {136, 8}
  };

  private final SplittableRandom random;
  private final int clusterBits;
  private final ByteBuffer image;
  private final List<List<Field>> structures = new ArrayList<>();
  private final StringBuilder story = new StringBuilder();

  private Damage(byte[] bytes, long seed) {
    this.image = ByteBuffer.wrap(bytes);
    this.random = new SplittableRandom(seed);
    this.clusterBits = image.getInt(20);
  }

  /** The damaged bytes, and how they were damaged. */
  record Result(byte[] bytes, String story) {}

  static Result of(byte[] healthy, long seed) {
    Damage damage = new Damage(healthy.clone(), seed);
    damage.collect();
    int times = 1 + damage.random.nextInt(8) / 5 + damage.random.nextInt(8) / 7;
    for (int i = 0; i < times; i++) {
      damage.once();
    }
    byte[] bytes = damage.image.array();
    if (damage.random.nextInt(25) == 0) {
      int length = damage.random.nextInt(512, bytes.length);
      if (damage.random.nextBoolean()) {
        length &= -(1 << damage.clusterBits);
      }
      damage.story.append("cut to ").append(length);
      bytes = java.util.Arrays.copyOf(bytes, Math.max(512, length));
    }
    return new Result(bytes, damage.story.toString());
  }

  private void words(List<Field> fields, long at, long bytes) {
    for (long i = at; i < at + bytes && i >= 0 && i + 8 <= image.capacity(); i += 8) {
      if (i < at + 256 || image.getLong((int) i) != 0) {
        fields.add(new Field((int) i, 8));
      }
    }
  }

  private void collect() {
    int cluster = 1 << clusterBits;
    List<Field> header = new ArrayList<>();
    for (int[] field : HEADER) {
      header.add(new Field(field[0], field[1]));
    }
    structures.add(header);
    List<Field> l1 = new ArrayList<>();
    List<Field> l2 = new ArrayList<>();
    l1(image.getLong(40), image.getInt(36), l1, l2);
    List<Field> snapshots = new ArrayList<>();
    long at = image.getLong(64);
    for (int i = 0; i < image.getInt(60); i++) {
      int[][] fields = {{0, 8}, {8, 4}, {12, 2}, {14, 2}, {32, 4}, {36, 4}, {40, 8}, {48, 8}};
      for (int[] field : fields) {
        snapshots.add(new Field((int) at + field[0], field[1]));
      }
      l1(image.getLong((int) at), image.getInt((int) at + 8), l1, l2);
      at +=
          40
              + image.getInt((int) at + 36)
              + image.getShort((int) at + 12)
              + image.getShort((int) at + 14)
              + 7;
      at &= ~7;
    }
    structures.add(l1);
    structures.add(l2);
    structures.add(l2);
    structures.add(snapshots);
    List<Field> table = new ArrayList<>();
    List<Field> blocks = new ArrayList<>();
    long tableOffset = image.getLong(48);
    words(table, tableOffset, 64);
    for (int i = 0; i < cluster / 8; i++) {
      long block = image.getLong((int) tableOffset + i * 8);
      if (block != 0) {
        for (long j = block; j < block + cluster && j < image.capacity(); j += 2) {
          if (j < block + 256) {
            blocks.add(new Field((int) j, 2));
          }
        }
      }
    }
    structures.add(table);
    structures.add(blocks);
    List<Field> bitmaps = new ArrayList<>();
    bitmaps(bitmaps);
    structures.add(bitmaps);
    structures.removeIf(List::isEmpty);
  }

  private void l1(long offset, int entries, List<Field> l1, List<Field> l2) {
    words(l1, offset, entries * 8L);
    for (int i = 0; i < entries; i++) {
      long table = image.getLong((int) offset + i * 8) & Geometry.OFFSET_MASK;
      if (table != 0) {
        words(l2, table, 1L << clusterBits);
      }
    }
  }

  private void bitmaps(List<Field> fields) {
    for (int at = 104; at < 1000; at += 8) {
      if (image.getInt(at) == 0x23852875) {
        words(fields, at, 32);
        long directory = image.getLong(at + 8 + 16);
        int[][] entry = {{0, 8}, {8, 4}, {12, 4}, {16, 1}, {17, 1}, {18, 2}, {20, 4}};
        for (int[] field : entry) {
          fields.add(new Field((int) directory + field[0], field[1]));
        }
        words(fields, image.getLong((int) directory), 32);
      }
    }
  }

  private void once() {
    List<Field> fields = structures.get(random.nextInt(structures.size()));
    Field field = fields.get(random.nextInt(fields.size()));
    if (field.at + field.width > image.capacity()) {
      return;
    }
    long old = get(field);
    long now =
        switch (random.nextInt(6)) {
          case 0 -> old ^ 1L << random.nextInt(field.width * 8);
          case 1 -> boundary(field.width * 8);
          case 2 -> get(fields.get(random.nextInt(fields.size())));
          case 3 -> old + (random.nextBoolean() ? 1 : -1) * (1L << random.nextInt(clusterBits + 1));
          case 4 -> pointer(old);
          default -> old ^ 1L << 63 - random.nextInt(3) | (random.nextInt(4) == 0 ? 1 : 0);
        };
    set(field, now);
    story.append(
        String.format("[0x%x] %d bytes: %x -> %x; ", field.at, field.width, old, get(field)));
  }

  private long boundary(int bits) {
    long max = bits == 64 ? -1 : (1L << bits) - 1;
    return switch (random.nextInt(8)) {
      case 0 -> 0;
      case 1 -> 1;
      case 2 -> max;
      case 3 -> max - 1;
      case 4 -> max >>> 1;
      case 5 -> (max >>> 1) + 1;
      case 6 -> max >>> 2;
      default -> image.capacity();
    };
  }

  /** Some cluster of the file, or one just behind it, with the old flags. */
  private long pointer(long old) {
    int clusters = (image.capacity() >> clusterBits) + 3;
    long offset = (long) random.nextInt(clusters) << clusterBits;
    return old & ~Geometry.OFFSET_MASK | offset;
  }

  private long get(Field field) {
    return switch (field.width) {
      case 1 -> image.get(field.at);
      case 2 -> Short.toUnsignedLong(image.getShort(field.at));
      case 4 -> Integer.toUnsignedLong(image.getInt(field.at));
      default -> image.getLong(field.at);
    };
  }

  private void set(Field field, long value) {
    switch (field.width) {
      case 1 -> image.put(field.at, (byte) value);
      case 2 -> image.putShort(field.at, (short) value);
      case 4 -> image.putInt(field.at, (int) value);
      default -> image.putLong(field.at, value);
    }
  }
}
