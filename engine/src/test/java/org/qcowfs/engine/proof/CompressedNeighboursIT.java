package org.qcowfs.engine.proof;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;

/** Compressed clusters that share host clusters, of every length, are let go one by one. */
class CompressedNeighboursIT {
  private static final int CLUSTER = 4096;
  private static final int COUNT = 4096;

  /** Among so many, some end exactly where the next begins, at a sector within a host cluster. */
  @Test
  void eachGivesBackItsOwnReference() throws Exception {
    Random random = new Random(1);
    byte[] content = new byte[CLUSTER * COUNT];
    for (int i = 0; i < COUNT; i++) {
      byte[] part = new byte[1 + random.nextInt(3000)];
      random.nextBytes(part);
      System.arraycopy(part, 0, content, i * CLUSTER, part.length);
    }
    try (Templates templates = new Templates()) {
      Path raw = templates.scratch("content.raw");
      Files.write(raw, content);
      Path image = templates.scratch("compressed.qcow2");
      Tool.run(
              "qemu-img",
              "convert",
              "-c",
              "-f",
              "raw",
              "-O",
              "qcow2",
              "-o",
              "cluster_size=" + CLUSTER,
              raw.toString(),
              image.toString())
          .ok();
      try (Image disk = Images.open(image.toString(), CrashSequence.WRITABLE)) {
        disk.zero(0, content.length, true);
      }
      Tool.check(image, false);
    }
  }
}
