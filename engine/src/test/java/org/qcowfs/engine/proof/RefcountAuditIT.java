package org.qcowfs.engine.proof;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.testing.MemoryContent;
import org.qcowfs.engine.testing.MemoryHostFiles;
import org.qcowfs.engine.testing.RefcountAudit;
import org.qcowfs.engine.testing.Seeds;

/** The audit agrees with {@code qemu-img check}, on sound images and on damaged ones. */
class RefcountAuditIT {
  private static final int DAMAGES = 12;

  @Test
  void itFindsWhatQemuImgFinds() {
    int[] found = new int[2];
    Seeds.forEach("audit", 25, seed -> compare(seed, found));
    if (System.getProperty("seed") == null) {
      assertThat(found[0]).as("corruptions both found").isGreaterThan(30);
      assertThat(found[1]).as("leaks both found").isGreaterThan(10);
    }
  }

  private static void compare(long seed, int[] found) throws Exception {
    Random random = Seeds.random(seed);
    Shape shape = Shape.random(random);
    try (Templates templates = new Templates()) {
      Template template = templates.make(shape, seed);
      MemoryContent sound = template.inMemory().content(template.path());
      assertThat(audit(sound).clean()).as("%s: %s", shape, audit(sound)).isTrue();
      Path damaged = templates.scratch("damaged.qcow2");
      for (int i = 0; i < DAMAGES; i++) {
        MemoryContent content = sound.copy();
        String what = damage(content, shape, random);
        content.store(damaged);
        long[] counts = Tool.counts(damaged);
        if (counts[0] < 0) {
          continue; // too damaged for qemu-img to check
        }
        RefcountAudit.Report report = audit(content);
        // QEMU does not call two roles of one cluster wrong where the refcount agrees.
        if (counts[0] > 0) {
          assertThat(report.corruptions()).as("%s in %s", what, shape).isNotEmpty();
          found[0]++;
        }
        if (counts[1] > 0) {
          assertThat(report.leaks()).as("%s in %s", what, shape).isNotEmpty();
          found[1]++;
        }
        if (counts[0] == 0 && counts[1] == 0) {
          assertThat(report.clean()).as("%s in %s: %s", what, shape, report).isTrue();
        }
      }
    }
  }

  private static RefcountAudit.Report audit(MemoryContent content) throws Exception {
    MemoryHostFiles files = new MemoryHostFiles();
    files.put("f", content);
    try (HostFile file = files.open("f", false)) {
      return RefcountAudit.check(file);
    }
  }

  /** Changes a refcount, or the target or the COPIED flag of an L2 or L1 entry. */
  private static String damage(MemoryContent content, Shape shape, Random random) {
    long cluster = shape.clusterSize();
    long l1 = number(content, 40);
    long l2 = number(content, l1) & 0x00ff_ffff_ffff_fe00L;
    int how = random.nextInt(4);
    if (how == 0 || l2 == 0) {
      long block = number(content, number(content, 48));
      long at = block + random.nextInt((int) Math.min(cluster, 64));
      byte[] one = new byte[1];
      content.read(at, ByteBuffer.wrap(one), 0, 1);
      one[0] ^= (byte) (1 << random.nextInt(8));
      content.write(at, one);
      return String.format("refcount byte 0x%x", at);
    }
    int width = shape.extendedL2() ? 16 : 8;
    long at =
        how == 1 ? l1 : l2 + (long) random.nextInt((int) Math.min(cluster / width, 24)) * width;
    long entry = number(content, at);
    // A change of target stays cluster-aligned; an entry of none gets no flag.
    long changed = entry == 0 || random.nextBoolean() ? entry ^ cluster : entry ^ 1L << 63;
    content.write(at, ByteBuffer.allocate(8).putLong(changed).array());
    return String.format("entry at 0x%x from 0x%x to 0x%x", at, entry, changed);
  }

  private static long number(MemoryContent content, long at) {
    ByteBuffer bytes = ByteBuffer.allocate(8);
    content.read(at, bytes, 0, 8);
    return bytes.getLong(0);
  }
}
